"""A diffeomorphism whose inverse and whose determinant are known in closed form: the truth for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.volumes.knees import rotation_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Points = NDArray[np.float64]


@dataclass(frozen=True)
class KnownDeformation:
    """A map T from fixed points to moving points, as registration returns it, and its exact inverse.

    ``T = M ∘ S_z ∘ S_y ∘ S_x ∘ B`` about `center`. ``B`` stretches along x, ``x ↦ s sinh(x / s)``. Each
    shear moves one coordinate by a Gaussian bump of the two others,
    ``S_x: x ↦ x + a exp(-((y - b)² + (z - c)²) / 2w²)``, so that subtracting the bump inverts it and its
    determinant is 1. ``M`` is a similarity. Hence ``det DT = scale³ cosh(x / s)``, x from the centre.

    Parameters
    ----------
    center : tuple of 3 float
        LPS mm, in the fixed image.
    rotation : tuple of 3 float
        Angles about x, y and z in degrees.
    scale : float
        Of the similarity.
    translation : tuple of 3 float
        Where the similarity moves the centre, mm.
    stretch : float
        The length s, mm.
    amplitudes : tuple of 3 float
        The heights a of the bumps of S_x, S_y and S_z, mm.
    width : float
        The width w of the bumps, mm.
    """

    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: tuple[float, float, float] = (6.0, -5.0, 9.0)
    scale: float = 1.06
    translation: tuple[float, float, float] = (9.0, -6.0, 5.0)
    stretch: float = 70.0
    amplitudes: tuple[float, float, float] = (5.0, -6.5, 5.5)
    width: float = 16.0

    def fixed_to_moving(self, points: ArrayLike) -> Points:
        """Return T of the points, (N, 3) LPS mm, float64."""
        moved = np.array(points, dtype=np.float64) - np.asarray(self.center)
        moved[:, 0] = self.stretch * np.sinh(moved[:, 0] / self.stretch)
        for axis in range(3):
            moved[:, axis] += self._bump(axis, moved)
        similar = self.scale * moved @ rotation_matrix(self.rotation).T
        return np.asarray(similar + np.asarray(self.translation) + np.asarray(self.center))

    def moving_to_fixed(self, points: ArrayLike) -> Points:
        """Return T⁻¹ of the points, (N, 3) LPS mm, float64."""
        similar = (
            np.asarray(points, dtype=np.float64) - np.asarray(self.translation) - np.asarray(self.center)
        )
        moved = np.asarray(similar @ rotation_matrix(self.rotation) / self.scale)
        for axis in reversed(range(3)):
            moved[:, axis] -= self._bump(axis, moved)
        moved[:, 0] = self.stretch * np.arcsinh(moved[:, 0] / self.stretch)
        return np.asarray(moved + np.asarray(self.center))

    def determinant(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return det DT at fixed points: (N, 3) LPS mm in, (N,) float64 out."""
        along = np.asarray(points, dtype=np.float64)[:, 0] - self.center[0]
        return np.asarray(self.scale**3 * np.cosh(along / self.stretch))

    def _bump(self, axis: int, points: Points) -> NDArray[np.float64]:
        # Off-centre, at other places for each axis: nothing is symmetric.
        others = np.delete(points, axis, axis=1) - self.width * np.array(
            [0.3 - 0.2 * axis, 0.25 * axis - 0.2]
        )
        reach = np.exp(-(others**2).sum(axis=1) / (2.0 * self.width**2))
        return np.asarray(self.amplitudes[axis] * reach)
