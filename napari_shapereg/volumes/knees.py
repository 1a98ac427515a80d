"""Knee cartilage as formulas: a horseshoe over two condyles, and two plates below it.

The shapes are no anatomy lesson: they have what makes real knee cartilage hard to register (thin, curved, one
structure branching, two pieces of one label nearly touching another label), in closed form at any point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Points = NDArray[np.float64]
    Values = NDArray[np.float64]

FEMORAL_CARTILAGE = 1
TIBIAL_CARTILAGE = 2
KNEE_NAMES = {FEMORAL_CARTILAGE: "Femoral cartilage", TIBIAL_CARTILAGE: "Tibial cartilage"}
KNEE_COLORS = {FEMORAL_CARTILAGE: (0.337, 0.706, 0.914), TIBIAL_CARTILAGE: (0.902, 0.624, 0.0)}

_STEP = 0.02  # mm, for central differences of a function that is smooth at the scale of millimetres
_CLOSE = 12.0  # mm, beyond which no cartilage lies
_RIM = 0.4  # thickness at which the rim is cut off, as a fraction of the largest
_GROOVE = 5.0  # mm, radius that rounds the bottom of the trochlea's groove


@dataclass(frozen=True)
class Knee:
    """A subject: sizes in mm, angles in degrees.

    In the knee's own frame x points to the left, y backwards and z up, as in LPS, and the origin lies on the
    axis through the two condyles, half-way between them.

    Parameters
    ----------
    condyle_offset : float
        Distance of each condyle's middle from the sagittal midplane.
    depth, height : float
        Half axes of the condyles' sagittal profile: front to back, and up and down.
    femoral_thickness, tibial_thickness : float
        Largest thickness of the cartilage.
    notch : float
        Half the width of the gap between the condyles, behind the trochlea.
    front, back : float
        How far the femoral cartilage reaches around the condylar axis, from the lowest point.
    asymmetry : float
        How much larger the right condyle is than the left one, as a fraction.
    rotation : tuple of 3 float
        Angles about x, y and z, applied in this order.
    position : tuple of 3 float
        Where the origin of the knee's frame lies, LPS mm.
    """

    condyle_offset: float = 22.0
    depth: float = 34.0
    height: float = 29.0
    femoral_thickness: float = 2.6
    tibial_thickness: float = 2.8
    notch: float = 9.0
    front: float = 82.0
    back: float = 106.0
    asymmetry: float = 0.06
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def labels_at(self, points: ArrayLike) -> NDArray[np.uint8]:
        """Return the label at each point.

        Parameters
        ----------
        points : (N, 3) array-like
            LPS mm.

        Returns
        -------
        (N,) uint8 array
            1 in the femoral cartilage, 2 in the tibial cartilage, 0 elsewhere.
        """
        own = (np.asarray(points, dtype=np.float64) - np.asarray(self.position)) @ rotation_matrix(
            self.rotation
        )
        labels = np.zeros(len(own), dtype=np.uint8)
        labels[self._in_tibial_cartilage(own)] = TIBIAL_CARTILAGE
        labels[self._in_femoral_cartilage(own)] = FEMORAL_CARTILAGE
        return labels

    def _in_femoral_cartilage(self, points: Points) -> NDArray[np.bool_]:
        inside = np.zeros(len(points), dtype=bool)
        close = np.flatnonzero(np.abs(self._above_bone(points)) < _CLOSE)
        near = points[close]
        # To first order, the distance from the bone is the level over the length of its gradient.
        distance = self._above_bone(near) / np.linalg.norm(self._gradient(near), axis=1)
        inside[close] = (distance > 0) & (distance < self._femoral_thickness_at(near))
        return inside

    def _above_bone(self, points: Points) -> Values:
        """Return a level function of the femur's surface: 0 on it, positive outside, mm."""
        x, y, z = points.T
        around = np.hypot(y, z * self.depth / self.height)
        beside = np.hypot(x, _GROOVE) - self.condyle_offset
        # Between the condyles the trochlea's groove is shallow; outside them the flanks fall off.
        valley = np.where(beside < 0, 0.011, 0.03) * beside**2
        size = 1.0 - self.asymmetry * np.tanh(x / self.condyle_offset) / 2
        return np.asarray(around + valley - self.depth * size)

    def _gradient(self, points: Points) -> Points:
        steps = _STEP * np.eye(3)
        slopes = [self._above_bone(points + step) - self._above_bone(points - step) for step in steps]
        return np.stack(slopes, axis=1) / (2 * _STEP)

    def _femoral_thickness_at(self, points: Points) -> Values:
        x, y, z = points.T
        angle = np.degrees(np.arctan2(-y, -z * self.depth / self.height))
        # The trochlea reaches higher on the side of the larger condyle.
        front = self.front - 14.0 * np.tanh(x / 15.0)
        along = (2.0 * angle - front + self.back) / (front + self.back)
        across = x / (self.condyle_offset * 1.62)
        # The notch opens behind the trochlea, with a rounded end.
        gap = self.notch / (1.0 + np.exp((angle - 22.0) / 5.0))
        beside_gap = np.clip(np.abs(x) - gap, 0.0, None)
        rim = 1.0 - np.exp(-beside_gap / 1.6) if self.notch else 1.0
        # Rounded corners: the cap is a superellipse in the plane of angle and width.
        taper = np.clip(1.0 - along**6 - across**6, 0.0, None) ** 0.5
        behind = np.where(angle < 22.0, rim, np.maximum(rim, 0.75))
        return np.asarray(self.femoral_thickness * _blunt(taper * behind))

    def _in_tibial_cartilage(self, points: Points) -> NDArray[np.bool_]:
        x, y, z = points.T
        beside = np.abs(x) - self.condyle_offset * 1.02
        across = beside / (0.62 * self.condyle_offset)
        along = (y - 1.5) / (0.68 * self.depth)
        taper = np.clip(1.0 - (across**2 + along**2) ** 2, 0.0, None) ** 0.5
        # Towards the midplane the plates climb the spines of the tibia.
        dish = 1.6 * across**2 + 1.9 * along**2 + 2.0 * np.clip(-across, 0.0, None) ** 3
        # Half a millimetre below the femoral cartilage where the two are closest.
        size = 1.0 - self.asymmetry * np.tanh(x / self.condyle_offset) / 2
        top = dish - self.height * size - self.femoral_thickness - 0.5
        return np.asarray((z < top) & (z > top - self.tibial_thickness * _blunt(taper)))


def _blunt(taper: Values) -> Values:
    # A sharp rim falls apart into single voxels.
    return np.where(taper < _RIM, 0.0, taper)


def rotation_matrix(degrees: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the (3, 3) rotation by three angles about x, y and z, applied in this order.

    Raises
    ------
    InputError
        There are not three finite angles.
    """
    if np.shape(degrees) != (3,) or not np.isfinite(degrees).all():
        msg = f"a rotation has three finite angles in degrees, got {degrees}"
        raise InputError(msg)
    rotation = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[second, first], turn[first, second] = np.sin(angle), -np.sin(angle)
        rotation = turn @ rotation
    return rotation
