"""What the plan asks of the levels, seen in the maps that they leave."""

from __future__ import annotations

import numpy as np

from napari_shapereg.deformations.fields import least_determinant
from napari_shapereg.registration import Registration, RegistrationSettings
from napari_shapereg.volumes import ImageGrid, ball_volume


def test_coarse_levels_leave_room_for_finer_ones() -> None:
    """The fixed ball is twice as wide as the moving one: its inside is squeezed as far as each level may."""
    grid = ImageGrid((40, 40, 40), (1.0, 1.0, 1.0), (-19.5, -19.5, -19.5))
    moving, fixed = (ball_volume(grid, np.zeros(3), radius) for radius in (7.0, 14.0))
    settings = RegistrationSettings(
        linear="none",
        measures=None,
        pitch=1.5,
        voxels={"coarsening": (4, 1), "blurs": ((3.0, 1.5), (2.0, 1.0))},
        min_jacobian=0.2,
        regularity=0.0,
    )
    run = Registration(moving, fixed, settings)
    least = {}
    for _ in run:
        lattice, displacement = run.result().field
        least[lattice.pitch] = float(least_determinant(displacement, lattice.pitch).min())
    coarse, fine = least.values()
    assert coarse > 0.3 > fine >= 0.2
