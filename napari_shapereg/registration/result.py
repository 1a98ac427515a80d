"""What a registration leaves: the two transforms, the warped labels, the measurements, and their files."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_shapereg.deformations import LatticeFlow
from napari_shapereg.quality import concerns, target_registration_error, write_jacobian
from napari_shapereg.registration.folder import complete_folder
from napari_shapereg.registration.provenance import describe_transform, describe_volume, versions
from napari_shapereg.registration.registered import RegisteredPair
from napari_shapereg.transforms import (
    affine_transform,
    chain,
    displacement_transform,
    write_arrows,
    write_displacement,
    write_transform,
)
from napari_shapereg.volumes import write_labels

if TYPE_CHECKING:
    import os

    import numpy as np
    import SimpleITK as sitk
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_shapereg.deformations import AffineMap, Lattice
    from napari_shapereg.quality import Metrics
    from napari_shapereg.registration.initial import InitialMap
    from napari_shapereg.registration.momentum_plan import Momenta
    from napari_shapereg.registration.state import RegistrationState, Status


@dataclass(frozen=True, eq=False)
class RegistrationResult(RegisteredPair):
    """The result of a run.

    Parameters
    ----------
    moving, fixed, labels, settings
        See `RegisteredPair`.
    initial : InitialMap or None
        T₀, fixed → moving, where the run started.
    linear : AffineMap
        A of the linear stage, LPS mm, from the moving volume as `initial` poses it to the fixed one.
    field : (Lattice, (3, z, y, x) Tensor) or None
        u of the flow, φ⁻¹ = id + u, in the frame of its lattice; None where no flow was fitted.
    status : Status
        How the run ended.
    history : tuple of RegistrationState
        Every accepted step, without its points.
    engine, device : str
        What did the work.
    seconds : float
        From the reading of the volumes to the end of the run.
    momenta : Momenta or None
        Of the models "lddmm" and "svf": what `field` was sampled from.
    landmarks : (moving, fixed) or None
        (K, 3) arrays each, LPS mm: pairs of points that the run was given.
    """

    initial: InitialMap | None
    linear: AffineMap
    field: tuple[Lattice, Tensor] | None
    status: Status
    history: tuple[RegistrationState, ...]
    engine: str
    device: str
    seconds: float
    momenta: Momenta | None = None
    landmarks: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    @cached_property
    def affine(self) -> AffineMap:
        """See `RegisteredPair`."""
        return self.linear.after(self.initial.linear) if self.initial else self.linear

    @cached_property
    def transform(self) -> sitk.CompositeTransform:
        """See `RegisteredPair`."""
        members = [*self._flow(inverse=False), _as_transform(self._after_bends.inverse())]
        return chain(*members, self._bends.forward) if self._bends else chain(*members)

    @cached_property
    def inverse_transform(self) -> sitk.CompositeTransform:
        """See `RegisteredPair`."""
        members = [_as_transform(self._after_bends), *self._flow(inverse=True)]
        return chain(self._bends.backward, *members) if self._bends else chain(*members)

    @property
    def _bends(self) -> InitialMap | None:
        """The initial map where it is not linear; else `affine` contains it."""
        return None if self.initial is None or self.initial.is_linear else self.initial

    @property
    def _after_bends(self) -> AffineMap:
        return self.linear if self._bends else self.affine

    def _flow(self, *, inverse: bool) -> list[sitk.Transform]:
        if self.field is None:
            return []
        lattice, displacement = self.field
        moves = LatticeFlow(lattice).inverse(displacement) if inverse else displacement
        return [displacement_transform(lattice.vectors_to_physical(moves), lattice.grid)]

    @cached_property
    def measured(self) -> Metrics:
        """See `RegisteredPair`; with the errors of landmarks that the run had, whatever they weighed."""
        measured = super().measured
        if self.landmarks is None:
            return measured
        moving, fixed = self.landmarks
        return replace(measured, landmarks=target_registration_error(self.transform, fixed, moving))

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
            "history": [
                {
                    "level": f"{state.stage} {state.level + 1}",
                    "iteration": state.iteration,
                    "cost": state.objective,
                    "seconds": state.seconds,
                }
                for state in self.history
            ],
            "momenta": self.momenta.to_dict() if self.momenta else None,
            "affine": {
                "matrix": self.affine.matrix.tolist(),
                "translation": self.affine.translation.tolist(),
            },
            "provenance": {
                "versions": versions(),
                "engine": self.engine,
                "device": self.device,
                "moving": describe_volume(self.moving),
                "fixed": describe_volume(self.fixed),
                "initial": describe_transform(self.initial.forward) if self.initial else None,
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

        With the model "lddmm", ``momenta.csv`` holds the control points and their momenta at the start of the
        geodesic, LPS mm.

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
            if self.momenta and (arrows := self.momenta.arrows()):
                write_arrows(*arrows, place / "momenta.csv")
            if report:
                self.write_report(place / "report.html")
            if displacement:
                write_displacement(self.transform, self.fixed.grid, place / "displacement.nii.gz")
            if jacobian:
                write_jacobian(self.transform, self.fixed.grid, place / "jacobian.nii.gz")
            names = sorted(file.name for file in place.iterdir())
        return [Path(folder).expanduser() / name for name in names]


def _write_json(values: dict[str, Any], path: Path) -> None:
    text = json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _as_transform(affine: AffineMap) -> sitk.Transform:
    return affine_transform(affine.matrix, affine.translation)
