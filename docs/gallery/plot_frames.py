"""
Frames and directions
=====================

The conventions in one picture: how a voxel's indices, the axes of the patient and the two transforms belong
together. `Conventions <../conventions.html>`_ has them in words.

**Remember** that images are pulled and points are pushed: `SimpleITK.Resample` takes the map *from fixed to
moving*, and a landmark on the moving image goes the other way.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial.transform import Rotation

from napari_shapereg.volumes import ImageGrid

MOVING, FIXED = "#D55E00", "#0072B2"
ARROW = {"arrowstyle": "-|>", "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}

# %%
# A grid in the patient
# ---------------------
#
# **Look at** the axial slice on the left, seen from the feet as radiologists see it: x grows to the patient's
# left, which is on the right of the page, and y to the back. The grid is oblique: its rows and columns are
# turned, and `origin + direction · spacing · (i, j, k)` says where the centre of a voxel lies. NumPy holds
# that voxel at ``data[k, j, i]``.

turned = Rotation.from_euler("z", 25, degrees=True).as_matrix()
grid = ImageGrid((7, 5, 1), (8.0, 8.0, 8.0), (-20.0, -25.0, 0.0), tuple(turned.ravel()))
columns, rows = np.meshgrid(np.arange(7), np.arange(5))
centres = grid.to_points(np.stack((columns.ravel(), rows.ravel(), np.zeros(columns.size)), axis=1))
chosen = (5, 3, 0)
place = grid.to_points([chosen])[0]

figure, (patient, maps) = plt.subplots(1, 2, figsize=(9.5, 4.2), width_ratios=(1, 1.15))
patient.plot(centres[:, 0], centres[:, 1], "s", color="0.82", markersize=9)
patient.plot(*place[:2], "s", color=FIXED, markersize=9)
patient.text(place[0] + 14, place[1] + 6, f"(i, j, k) = {chosen}\ndata[0, 3, 5]", color=FIXED)
patient.plot(*grid.origin[:2], "o", color="black", markersize=5)
patient.text(grid.origin[0] - 3, grid.origin[1] - 3, "origin", ha="right")
for name, step in (("i", turned[:2, 0]), ("j", turned[:2, 1])):
    end = np.array(grid.origin[:2]) + 15 * step
    patient.annotate("", end, grid.origin[:2], arrowprops=ARROW)
    patient.annotate(name, end + 2 * step, ha="center", va="center", fontweight="bold")
corner = np.array((-38.0, -38.0))
for name, way in (("x: left (L)", (16, 0)), ("y: back (P)", (0, 16))):
    patient.annotate("", corner + way, corner, arrowprops={**ARROW, "color": "0.4"})
    patient.annotate(
        name, corner + 1.15 * np.array(way), color="0.4", ha="left" if way[0] else "center", va="center"
    )
patient.annotate("z: head (S),\ninto the page", corner - (1, 1), color="0.4", ha="right", va="center")
patient.set(xlim=(-66, 56), ylim=(46, -46), aspect="equal", title="LPS mm, an axial slice from below")
patient.set_axis_off()

# %%
# Which file maps what
# --------------------
#
# **Look at** the two arrows on the right. The blue one leaves a voxel of the fixed grid and asks where it
# comes from; the orange one carries what was marked on the moving image.

angle = np.linspace(0, 2 * np.pi, 200)
shell = np.stack((np.cos(angle), np.sin(angle) * (1 + 0.25 * np.cos(2 * angle))), axis=1)
for middle, size, colour, name in (((0, 0), 1.0, MOVING, "moving, α"), ((5, 0.4), 1.3, FIXED, "fixed, β")):
    outline = np.array(middle) + size * shell
    maps.fill(*outline.T, color=colour, alpha=0.25)
    maps.plot(*outline.T, color=colour)
    maps.annotate(name, (middle[0], middle[1] - 2.1), ha="center", color=colour, fontweight="bold")
for start, end, colour, bend, words, level in (
    ((4.2, 0.9), (0.5, 0.6), FIXED, 0.25, "fixed_to_moving.h5\nresult.transform, φ⁻¹\nresamples images", 2.3),
    (
        (0.5, -0.4),
        (4.2, -0.3),
        MOVING,
        0.25,
        "moving_to_fixed.h5\nresult.inverse_transform, φ\ncarries points",
        -1.6,
    ),
):
    style = {**ARROW, "connectionstyle": f"arc3,rad={bend}", "color": colour}
    maps.annotate("", end, start, arrowprops=style)
    maps.annotate(words, (2.4, level), ha="center", va="center", color=colour, fontsize=9)
maps.set(xlim=(-1.6, 6.8), ylim=(-2.9, 3.2), aspect="equal", title="Two maps, named by what they map")
maps.set_axis_off()
