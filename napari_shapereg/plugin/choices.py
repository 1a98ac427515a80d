"""What the form of the settings offers: titles of choices, and what each means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_shapereg.plugin.machine import DEVICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_shapereg.fidelities.named import FidelityName


@dataclass(frozen=True)
class Option:
    """One value of a choice, with its title and what it means."""

    value: str | int
    title: str
    tip: str = ""


FIDELITIES: Mapping[FidelityName, Option] = {
    "energy": Option(
        "energy",
        "Energy distance",
        "Kernel norm with k = −|x − y|: has no length, and sees the whole target from anywhere.",
    ),
    "gaussian": Option("gaussian", "Gaussian kernel norm", "Blind beyond a few σ."),
    "laplacian": Option(
        "laplacian", "Laplacian kernel norm", "k = exp(−|x − y|/σ): longer tails than a Gaussian."
    ),
    "cauchy": Option(
        "cauchy", "Cauchy kernel norm", "k = 1/(1 + |x − y|²/σ²): sees farther than a Laplacian."
    ),
    "softmin": Option("softmin", "SoftMin", "Smoothed distance to the nearest point, both ways."),
    "hausdorff": Option(
        "hausdorff", "Hausdorff divergence", "Nearest points, debiased: zero only where the shapes agree."
    ),
    "sinkhorn": Option(
        "sinkhorn",
        "Sinkhorn divergence",
        "Optimal transport with a blur, debiased: every point has a place to go.",
    ),
    "currents": Option("currents", "Currents", "Surfaces with oriented normals; opposite sheets cancel."),
    "oriented_varifold": Option(
        "oriented_varifold", "Oriented varifolds", "Surfaces with oriented normals, without cancellation."
    ),
    "unoriented_varifold": Option(
        "unoriented_varifold", "Unoriented varifolds", "Surfaces whose normals may point either way."
    ),
}

EXPONENTS = (
    Option(2, "2  (|x − y|²/2)", "Arrows in mm: each ends where its point would go."),
    Option(1, "1  (|x − y|)", "Arrows of length 1 at most: far points pull no harder than near ones."),
)

CHOICES: Mapping[str, tuple[Option, ...]] = {
    "model": (
        Option("lattice", "Composed steps", "Small smooth steps on a lattice, one after the other."),
        Option("svf", "Stationary velocities", "The exponential of one velocity field (SVF)."),
        Option("lddmm", "Geodesic shooting", "LDDMM: momenta at the start decide all of the way."),
        Option("rigid", "None: rigid map", "Turn and shift alone."),
        Option("similarity", "None: similarity", "Turn, shift and one scale alone."),
        Option("affine", "None: affine map", "Any linear map alone."),
    ),
    "mirror": (
        Option("auto", "Where it fits better", "As for a left knee on a right one; the result says so."),
        Option("never", "Never", "Left stays left."),
        Option("always", "Always", "The mirror image of the moving shape is registered."),
    ),
    "overlap": (
        Option("full", "Whole shapes", "Both images show all of the labels."),
        Option(
            "partial",
            "Cut off by a border",
            "What only one of the images shows is left out; the start is sought among all poses.",
        ),
    ),
    "linear_fidelity.name": tuple(FIDELITIES.values()),
    "linear_fidelity.p": EXPONENTS,
    "measures.fidelity.name": tuple(FIDELITIES.values()),
    "measures.fidelity.p": EXPONENTS,
    "measures.kind": (
        Option("voxel", "Voxels", "Points with volumes, mm³."),
        Option("surface", "Surfaces", "Triangles with areas, mm², and normals."),
    ),
    "linear": (
        Option("none", "None", "The shapes are taken as they lie."),
        Option("rigid", "Rigid", "Turn and shift."),
        Option("similarity", "Similarity", "Turn, shift and one scale."),
        Option("affine", "Affine", "Any linear map."),
    ),
    "device": tuple(
        Option(name, {"auto": "Automatic", "cpu": "CPU", "cuda": "GPU (CUDA)", "mps": "GPU (Apple)"}[name])
        for name in DEVICES
    ),
    "engine": (
        Option("auto", "Automatic", "tree on the CPU, KeOps on CUDA where it is installed."),
        Option("tree", "tree", "On the CPU: as numba, and many points in nearly linear time, to 1e-3."),
        Option("numba", "numba", "Compiled loops over all pairs, on the CPU."),
        Option("keops", "KeOps", "Compiled for each formula, on CUDA or the CPU."),
        Option("torch", "torch", "Anywhere; slower."),
    ),
}
