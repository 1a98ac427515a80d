"""What a registration leaves: the two transforms, the warped labels, the measurements, and their files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from napari_shapereg.deformations import LatticeFlow
from napari_shapereg.transforms import affine_transform, chain, displacement_transform, resample_labels

if TYPE_CHECKING:
    import SimpleITK as sitk
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
