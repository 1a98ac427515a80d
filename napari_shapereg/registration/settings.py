"""Everything a registration can be told, in one frozen object that is read from and written to JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities.named import OF_SURFACES, FidelityName

Preset = Literal["fast", "balanced", "accurate"]
Positive = Annotated[float, Field(gt=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FidelitySettings(_Frozen):
    """Which fidelity, by name."""

    name: FidelityName = Field(default="energy", description="Which fidelity.")
    length: Positive | None = Field(
        default=None,
        description=(
            "Length of the kernel, or blur, mm; the energy distance has none. Default: a quarter of the "
            "radius for kernels, a tenth for blurs."
        ),
    )
    p: Literal[1, 2] = Field(default=2, description="Exponent of the cost, of those that have a blur.")
    reach: Positive | None = Field(
        default=None,
        description="How far 'sinkhorn' transports, mm; what is further is paid for. Default: any distance.",
    )

    @model_validator(mode="after")
    def _check_reach(self) -> Self:
        if self.reach is not None and self.name != "sinkhorn":
            raise ValueError(f"only 'sinkhorn' has a reach, not {self.name!r}; leave it out")
        return self


class MeasureSettings(_Frozen):
    """The global stage: a flow that descends a fidelity between weighted points."""

    fidelity: FidelitySettings = Field(
        default=FidelitySettings(), description="What the flow of this stage descends."
    )
    kind: Literal["voxel", "surface"] = Field(
        default="surface",
        description="Points are voxels, or triangles of the surface with normals; for the linear stage too.",
    )
    points: int = Field(default=1500, gt=0, description="About how many points a label is coarsened to.")
    smoothness: tuple[Positive, ...] = Field(
        default=(0.5, 0.3),
        description="Smoothing of the steps, one level each, in radii of the fixed object.",
    )


class VoxelSettings(_Frozen):
    """The local stage: a flow that descends a Gaussian kernel norm between whole shapes, on the lattice."""

    coarsening: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        default=(8, 4, 2, 1), description="Pitch of the lattice at each level, in pitches of the finest."
    )
    blurs: tuple[tuple[Positive, ...], ...] = Field(
        default=((3.0, 1.5), (3.0, 1.5), (2.0, 1.2), (0.5,)),
        description="Standard deviations of the Gaussians at each level, in pitches of that level.",
    )
    smoothness: Positive = Field(default=1.3, description="Smoothing of the steps, in pitches of the level.")
    far_slope: float = Field(
        default=0.06,
        ge=0,
        description=(
            "Growth of the pull on what lies more than two pitches from the fixed shape, per pitch; a "
            "boundary that is out of place by a blur is pulled by about 1/2."
        ),
    )

    @model_validator(mode="after")
    def _check_levels(self) -> Self:
        if len(self.coarsening) != len(self.blurs):
            raise ValueError(
                f"coarsening has {len(self.coarsening)} levels, blurs has {len(self.blurs)}; give both alike"
            )
        return self


class MomentumSettings(_Frozen):
    """The models "lddmm" and "svf": velocities of a mean of Gaussians, descended by L-BFGS."""

    widths: tuple[Positive, ...] = Field(
        default=(0.4, 0.2, 0.1),
        min_length=1,
        description="Standard deviations of the Gaussians, in radii of the fixed object.",
    )
    regularity: float = Field(
        default=1e-4,
        ge=0,
        description=(
            "Weight of the energy (half the squared length of the path of maps, in squared radii) beside the "
            "fidelity (as a share of what it is after the linear stage)."
        ),
    )
    annealing: tuple[Positive, ...] = Field(
        default=(4.0, 2.0, 1.0),
        min_length=1,
        description="Factors of the length of the fidelity, a level each; 'energy', without length, has one.",
    )
    local: tuple[Positive, ...] = Field(
        default=(0.2, 0.06),
        description=(
            "Lengths of Gaussian kernel norms that are descended last, a level each, in radii, for what is "
            "thinner than the fidelity sees. Empty for none."
        ),
    )
    max_steps: int = Field(default=30, gt=0, description="Steps at each level.")


class RegistrationSettings(_Frozen):
    """How to register one label volume onto another.

    Every length has a default that follows from the data: the *radius* is the root mean square distance of
    the fixed labels from their centre, the *pitch* is the distance between the nodes of the finest lattice.
    """

    labels: tuple[int, ...] | None = Field(default=None, description="Labels to register. Default: all.")
    shared_labels_only: bool = Field(
        default=False,
        description="Register the labels that both volumes have, instead of refusing when they differ.",
    )
    label_weights: dict[int, Positive] = Field(default_factory=dict, description="Default: 1 each.")
    landmark_weight: float = Field(
        default=1.0,
        ge=0,
        description=(
            "Of pairs of points that are given beside the volumes: at 1, landmarks a tenth of a radius off "
            "cost as much as whole shapes that are."
        ),
    )
    linear: Literal["none", "rigid", "similarity", "affine"] = Field(
        default="affine", description="The richest linear map that is fitted before the flow."
    )
    linear_fidelity: FidelitySettings = Field(
        default=FidelitySettings(), description="What the linear stage descends."
    )
    mirror: Literal["auto", "never", "always"] = Field(
        default="auto",
        description=(
            "Whether the linear map turns left into right. 'auto' does so where the mirror image fits "
            "clearly better, as a left knee on a right one, and the result says it; never where the overlap "
            "is partial."
        ),
    )
    overlap: Literal["full", "partial"] = Field(
        default="full",
        description=(
            "'partial' where the border of an image cuts a shape off: the start is sought among all rigid "
            "poses, and what only one of the images shows is left out."
        ),
    )
    model: Literal["lattice", "svf", "lddmm", "rigid", "similarity", "affine"] = Field(
        default="lattice",
        description=(
            "'lattice': greedy composition of smooth steps. 'svf': exponential of a stationary velocity "
            "field. 'lddmm': geodesic shooting of momenta. The last two descend the fidelity of `measures`, "
            "with the settings `momenta`. A linear one is fitted alone, whatever `linear` says."
        ),
    )
    momenta: MomentumSettings = Field(
        default=MomentumSettings(), description="Of the models 'svf' and 'lddmm'."
    )
    measures: MeasureSettings | None = Field(default=MeasureSettings(), description="None skips this stage.")
    voxels: VoxelSettings | None = Field(default=VoxelSettings(), description="None skips this stage.")
    pitch: Positive | None = Field(default=None, description="Pitch of the finest lattice, mm.")
    pitch_in_voxels: Positive = Field(
        default=1.6,
        description="Used where no pitch is given: in fixed voxels (the cube root of their volume).",
    )
    regularity: float = Field(
        default=1.5e-4,
        ge=0,
        description="Weight of the Dirichlet energy of the flow in the cost of the local stage.",
    )
    max_nodes: int = Field(
        default=4_000_000, gt=1000, description="The pitch is raised until the lattice fits."
    )
    max_steps: int = Field(default=18, gt=0, description="Steps at each level.")
    tolerance: Positive = Field(
        default=2e-3,
        description="A level ends when two steps in a row lower its cost by less than this fraction each.",
    )
    max_strain: float = Field(
        default=0.4, gt=0, lt=1, description="Bound on the Lipschitz constant of each step."
    )
    min_jacobian: float = Field(
        default=0.12,
        gt=0,
        lt=1,
        description=(
            "Steps that squeeze a volume of the lattice below this are refused; on coarse lattices, those "
            "that squeeze it below a power of this, which leaves room for the finer ones."
        ),
    )
    engine: Literal["auto", "torch", "numba", "tree", "keops"] = Field(
        default="auto", description="What computes the pairwise sums; auto: tree on the CPU, KeOps on CUDA."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="Where the work is done; auto: CUDA where there is one, else the CPU."
    )

    @model_validator(mode="after")
    def _check_normals(self) -> Self:
        asked = {"linear_fidelity": self.linear_fidelity.name}
        if self.measures:
            asked["measures.fidelity"] = self.measures.fidelity.name
        for place, name in asked.items():
            if name in OF_SURFACES and self.measure_kind != "surface":
                raise ValueError(f"{place} {name!r} compares normals: set measures.kind to 'surface'")
        return self

    @property
    def measure_kind(self) -> Literal["voxel", "surface"]:
        """Of the points that the linear stage compares, and the global one if there is one."""
        return (self.measures or MeasureSettings()).kind

    @property
    def linear_model(self) -> Literal["none", "rigid", "similarity", "affine"]:
        """The richest linear map that is fitted."""
        match self.model:
            case "rigid" | "similarity" | "affine":
                return self.model
            case _:
                return self.linear

    @property
    def flow_model(self) -> Literal["none", "lattice", "svf", "lddmm"]:
        """The model of the flow that follows the linear map."""
        match self.model:
            case "lattice":
                return "lattice" if self.measures or self.voxels else "none"
            case "svf" | "lddmm":
                return self.model
            case _:
                return "none"

    @classmethod
    def preset(cls, name: Preset = "balanced") -> RegistrationSettings:
        """Return the settings of a preset.

        Parameters
        ----------
        name : {"fast", "balanced", "accurate"}
            A coarser lattice in less time, the default, or a finer lattice in more time.

        Raises
        ------
        InputError
            There is no such preset.
        """
        if name == "balanced":
            return cls()
        if name == "fast":
            coarse = VoxelSettings(smoothness=2.0)  # Between nodes 3 voxels apart the inverse bends, too.
            return cls(pitch_in_voxels=3.0, max_nodes=500_000, max_steps=12, voxels=coarse)
        if name == "accurate":
            return cls(pitch_in_voxels=1.1, max_nodes=12_000_000, max_steps=26, tolerance=1e-3)
        msg = f"no preset is called {name!r}; choose 'fast', 'balanced' or 'accurate'"
        raise InputError(msg)

    @classmethod
    def read(cls, path: str | Path) -> RegistrationSettings:
        """Read the settings from a JSON file.

        Raises
        ------
        InputError
            The file cannot be read, is no JSON, or holds an unknown or impossible setting.
        """
        try:
            return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            msg = f"the settings file {str(path)!r} cannot be read: {error.strerror}"
            raise InputError(msg) from error
        except UnicodeDecodeError as error:
            msg = f"the settings file {str(path)!r} is no UTF-8 text; write it as JSON"
            raise InputError(msg) from error
        except ValidationError as error:
            msg = f"the settings file {str(path)!r} cannot be used: {explain(error)}"
            raise InputError(msg) from error

    def changed(self, **changes: object) -> RegistrationSettings:
        """Return the settings with some values replaced, checked as at construction.

        Raises
        ------
        InputError
            A name is unknown or a value impossible.
        """
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            msg = f"these settings cannot be used: {explain(error)}"
            raise InputError(msg) from error


def explain(error: ValidationError) -> str:
    """Say in one line what is wrong with which setting, and what was received."""
    parts = []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"]) or "the whole"
        # Where settings contradict each other, the message names them.
        whole = problem["type"] in {"json_invalid", "value_error"}
        received = "" if whole else f", got {problem['input']!r}"
        parts.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}{received}")
    return "; ".join(parts)
