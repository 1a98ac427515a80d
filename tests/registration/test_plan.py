"""What the plan asks of the levels, seen in the maps that they leave."""

from __future__ import annotations

import numpy as np

from napari_shapereg.deformations.fields import least_determinant
from napari_shapereg.registration import Registration, RegistrationSettings
from napari_shapereg.volumes import ImageGrid, ball_volume


def squeezed(min_jacobian: float, **stages: object) -> list[float]:
    """Return the least determinant on each lattice, where the inside of a ball has to shrink to an eighth."""
    grid = ImageGrid((40, 40, 40), (1.0, 1.0, 1.0), (-19.5, -19.5, -19.5))
    moving, fixed = (ball_volume(grid, np.zeros(3), radius) for radius in (7.0, 14.0))
    settings = RegistrationSettings(linear="none", pitch=1.5, min_jacobian=min_jacobian, regularity=0.0)
    run = Registration(moving, fixed, settings.changed(**stages))
    least = {}
    for _ in run:
        lattice, displacement = run.result().field
        least[lattice.pitch] = float(least_determinant(displacement, lattice.pitch).min())
    return list(least.values())


def test_coarse_levels_leave_room_for_finer_ones() -> None:
    voxels = {"coarsening": (4, 1), "blurs": ((3.0, 1.5), (2.0, 1.0))}
    coarse, fine = squeezed(0.2, measures=None, voxels=voxels)
    assert coarse > 0.3 > fine >= 0.2


def test_the_last_level_need_not_leave_room() -> None:
    (least,) = squeezed(0.4, voxels=None)
    assert 0.4 <= least < 0.5
