"""What a registration leaves: the two transforms, the warped labels, the measurements, and their files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from napari_shapereg.deformations import LatticeFlow
from napari_shapereg.quality import concerns, target_registration_error
from napari_shapereg.registration.provenance import (
    describe_transform,
    describe_volume,
    user_name,
    versions,
)
from napari_shapereg.registration.registered import RegisteredPair
from napari_shapereg.transforms import (
    affine_transform,
    chain,
    displacement_transform,
    write_arrows,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    import SimpleITK as sitk
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_shapereg.deformations import AffineMap, Lattice
    from napari_shapereg.quality import LandmarkErrors, Metrics
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
    ended : datetime
        When that was, UTC.
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
    ended: datetime
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
    def landmark_errors(self) -> LandmarkErrors | None:
        """Of the landmarks that the run had, whatever they weighed."""
        if self.landmarks is None:
            return None
        moving, fixed = self.landmarks
        return target_registration_error(self.transform, fixed, moving)

    @cached_property
    def measured(self) -> Metrics:
        """See `RegisteredPair`; with `landmark_errors`."""
        return replace(super().measured, landmarks=self.landmark_errors)

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
                "ended": self.ended.isoformat(timespec="seconds"),
                "user": user_name(),
                "versions": versions(),
                "engine": self.engine,
                "device": self.device,
                "moving": describe_volume(self.moving),
                "fixed": describe_volume(self.fixed),
                "initial": describe_transform(self.initial.forward) if self.initial else None,
            },
        }

    def _write_more(self, folder: Path) -> None:
        if self.momenta and (arrows := self.momenta.arrows()):
            write_arrows(*arrows, folder / "momenta.csv")


def _as_transform(affine: AffineMap) -> sitk.Transform:
    return affine_transform(affine.matrix, affine.translation)
