"""What a registration leaves: the two transforms, the warped labels, the measurements, and their files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from napari_shapereg.deformations import LatticeFlow
from napari_shapereg.quality import (
    Metrics,
    concerns,
    inverse_consistency,
    label_agreement,
    regularity,
    write_jacobian,
)
from napari_shapereg.registration.folder import complete_folder
from napari_shapereg.registration.provenance import describe_volume, versions
from napari_shapereg.transforms import (
    affine_transform,
    chain,
    displacement_transform,
    resample_labels,
    write_displacement,
    write_transform,
)
from napari_shapereg.volumes import write_labels

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from napari_shapereg.deformations import AffineMap, Lattice
    from napari_shapereg.registration.settings import RegistrationSettings
    from napari_shapereg.registration.state import RegistrationState, Status
    from napari_shapereg.volumes import LabelVolume


@dataclass(frozen=True, eq=False)
class RegistrationResult:
    """A map between two label volumes, in both directions.

    Parameters
    ----------
    moving, fixed : LabelVolume
        What was registered.
    labels : tuple of int
        Which labels were compared.
    affine : AffineMap
        A of the linear stage, moving → fixed, LPS mm.
    field : (Lattice, (3, z, y, x) Tensor) or None
        u of the flow, φ⁻¹ = id + u, in the frame of its lattice; None where no flow was fitted.
    status : Status
        How the run ended.
    settings : RegistrationSettings
        What was asked for.
    history : tuple of RegistrationState
        Every accepted step, without its points.
    engine, device : str
        What did the work.
    seconds : float
        From the reading of the volumes to the end of the run.
    """

    moving: LabelVolume
    fixed: LabelVolume
    labels: tuple[int, ...]
    affine: AffineMap
    field: tuple[Lattice, Tensor] | None
    status: Status
    settings: RegistrationSettings
    history: tuple[RegistrationState, ...]
    engine: str
    device: str
    seconds: float

    @cached_property
    def transform(self) -> sitk.CompositeTransform:
        """Fixed → moving points, y ↦ A⁻¹(y + u(y)), LPS mm: what `SimpleITK.Resample` takes."""
        back = self.affine.inverse()
        members: list[sitk.Transform] = [affine_transform(back.matrix, back.translation)]
        if self.field:
            lattice, displacement = self.field
            members.insert(0, displacement_transform(lattice.vectors_to_physical(displacement), lattice.grid))
        return chain(*members)

    @cached_property
    def inverse_transform(self) -> sitk.CompositeTransform:
        """Moving → fixed points, x ↦ (id + w)(A x), LPS mm: what carries points, meshes and landmarks."""
        members: list[sitk.Transform] = [affine_transform(self.affine.matrix, self.affine.translation)]
        if self.field:
            lattice, displacement = self.field
            inverse = LatticeFlow(lattice).inverse(displacement)
            members.append(displacement_transform(lattice.vectors_to_physical(inverse), lattice.grid))
        return chain(*members)

    @cached_property
    def warped(self) -> LabelVolume:
        """The moving labels on the fixed grid, by nearest neighbour through `transform`."""
        return resample_labels(self.moving, self.fixed.grid, self.transform)

    @cached_property
    def before(self) -> LabelVolume:
        """The moving labels on the fixed grid as they lie, by nearest neighbour."""
        return resample_labels(self.moving, self.fixed.grid, sitk.Transform())

    @cached_property
    def measured(self) -> Metrics:
        """The agreement before and after, the regularity of the map, and how well its inverse undoes it."""
        volumes = {
            label: float((self.moving.data == label).sum()) * self.moving.grid.voxel_volume
            for label in self.labels
        }
        return Metrics(
            before=label_agreement(self.fixed, self.before, self.labels),
            after=label_agreement(self.fixed, self.warped, self.labels),
            regularity=regularity(self.transform, self.fixed.grid),
            inverse_consistency=inverse_consistency(self.transform, self.inverse_transform, self.fixed),
            names={**self.moving.names, **self.fixed.names},
            moving_volumes=volumes,
        )

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """All measurements as plain values: what ``metrics.json`` holds."""
        return {
            "status": self.status.name,
            "message": self.status.value,
            "seconds": self.seconds,
            "steps": len(self.history),
            **self.measured.to_dict(),
            "concerns": concerns(self.measured),
            "provenance": {
                "versions": versions(),
                "engine": self.engine,
                "device": self.device,
                "moving": describe_volume(self.moving),
                "fixed": describe_volume(self.fixed),
            },
        }

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        report: bool = True,
        displacement: bool = False,
        jacobian: bool = False,
    ) -> list[Path]:
        """Write the result into a folder, whole or not at all.

        Parameters
        ----------
        folder : path
            It may exist if it is empty.
        overwrite : bool
            Replace the files of an earlier result.
        report : bool
            Write ``report.html``, which needs the extra "report".
        displacement, jacobian : bool
            Write the dense ``displacement.nii.gz`` and ``jacobian.nii.gz`` on the fixed grid, too.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        InputError
            The folder cannot be used; see `napari_shapereg.registration.folder.check_folder`.
        MissingExtraError
            A report is asked for and the extra "report" is not installed.
        """
        with complete_folder(folder, overwrite=overwrite) as place:
            write_transform(self.transform, place / "fixed_to_moving.h5")
            write_transform(self.inverse_transform, place / "moving_to_fixed.h5")
            write_labels(self.warped, place / "warped_labels.nii.gz")
            _write_json(self.metrics, place / "metrics.json")
            _write_json(self.settings.model_dump(mode="json"), place / "settings.json")
            if report:
                self._write_report(place / "report.html")
            if displacement:
                write_displacement(self.transform, self.fixed.grid, place / "displacement.nii.gz")
            if jacobian:
                write_jacobian(self.transform, self.fixed.grid, place / "jacobian.nii.gz")
            names = sorted(file.name for file in place.iterdir())
        return [Path(folder).expanduser() / name for name in names]

    def _write_report(self, path: Path) -> None:
        from napari_shapereg.quality.report import write_report

        provenance = self.metrics["provenance"]
        write_report(
            path,
            title=f"{_title(self.moving)} registered onto {_title(self.fixed)}",
            fixed=self.fixed,
            before=self.before,
            after=self.warped,
            metrics=self.metrics,
            settings=self.settings.model_dump(mode="json"),
            history=[
                (f"{state.stage} {state.level + 1}", state.iteration, state.objective)
                for state in self.history
            ],
            provenance={"status": self.status.value, "seconds": round(self.seconds, 2), **provenance},
            warnings=self.metrics["concerns"],
        )


def _title(volume: LabelVolume) -> str:
    return volume.source.name if volume.source else "an array"


def _write_json(values: dict[str, Any], path: Path) -> None:
    text = json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
