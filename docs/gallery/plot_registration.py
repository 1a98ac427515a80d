"""
A registration in four pictures
===============================

The sample knees before and after, and the map between them: how much room it gives to each voxel, and what it
does to a square grid.

**Choose** what to trust a result by from all four. Outlines that agree say nothing about the map between
them; a grid that is smooth, and a determinant that stays away from 0, do.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

import napari_shapereg as sr
from napari_shapereg.quality.jacobians import jacobian_planes
from napari_shapereg.transforms import transform_points

MOVING, FIXED = "#D55E00", "#0072B2"

moving, fixed = sr.sample_pair("knees")
result = sr.register(moving, fixed, preset="fast")
print(f"{result.status.value} {result.seconds:.1f} s for {len(result.history)} steps")

# %%
# The map takes fixed points to moving ones. Carried on by its linear part, A, they come back beside where
# they started: the grid below is that of y + u(y) = A T(y), so that what it shows is the flow alone.

place = int(np.count_nonzero(fixed.data, axis=(0, 1)).argmax())
shape = fixed.grid.shape[:2]
k, j = np.mgrid[: shape[0], : shape[1]]
voxels = np.stack((np.full(k.size, place), j.ravel(), k.ravel()), axis=1)
points = fixed.grid.to_points(voxels)
moved = result.affine.apply(transform_points(result.transform, points))
determinants = np.stack(list(jacobian_planes(result.transform, fixed.grid)))[:, :, place]

# %%
# First all voxels seen from the side, for the knees lie too far apart to meet in a slice; then a slice of the
# fixed volume, across its first axis. **Look at** the grid where the shapes differ in thickness: it opens
# there. The determinant says the same in numbers: where it is 2, the moving shape has twice the room of the
# fixed one. It is above 0 everywhere, so nothing is folded.

x, y = np.meshgrid(np.arange(shape[1]) * fixed.grid.spacing[1], np.arange(shape[0]) * fixed.grid.spacing[2])
figure, panels = plt.subplots(1, 4, figsize=(11, 3.2))
axes = np.reshape(fixed.grid.direction, (3, 3))
for volume, colour in ((fixed, FIXED), (moving, MOVING)):
    seen = volume.grid.to_points(np.argwhere(volume.data)[::7, ::-1]) @ axes
    panels[0].plot(seen[:, 1], seen[:, 2], ",", color=colour)


def outline(panel: plt.Axes, volume: sr.LabelVolume, colour: str) -> None:
    """Draw around each label of a volume on the fixed grid."""
    for label in fixed.labels:
        mask = volume.data[:, :, place] == label
        if mask.any():
            panel.contour(x, y, mask, levels=[0.5], colors=[colour], linewidths=1.4)


titles = "before, from the side", "after, a slice", "det J, fixed to moving", "the flow on a grid of 3 mm"
for panel, title in zip(panels, titles, strict=True):
    panel.set(title=title, aspect="equal")
    panel.set_axis_off()
for panel in panels[1:]:
    outline(panel, fixed, FIXED)
outline(panels[1], result.warped, MOVING)

shown = panels[2].pcolormesh(x, y, np.log2(determinants), cmap="PuOr", vmin=-2, vmax=2, shading="nearest")
bar = figure.colorbar(shown, ax=panels[2], orientation="horizontal", shrink=0.9, ticks=[-2, -1, 0, 1, 2])
bar.ax.set_xticklabels(["¼", "½", "1", "2", "4"])
inside = (moved - fixed.grid.to_points([(place, 0, 0)])) @ axes
for axis in (1, 2):
    lines = inside[:, axis].reshape(shape)
    levels = np.arange(np.floor(lines.min()), lines.max(), 3.0)
    panels[3].contour(x, y, lines, levels=levels, colors="0.45", linewidths=0.7)

# %%
# The same numbers that ``shapereg register`` prints:

for label, row in result.metrics["labels"].items():
    before, after = row["before"], row["after"]
    print(f"label {label}: Dice {before['dice']:.3f} before, {after['dice']:.3f} after")
folded = result.measured.regularity.fraction_folded
print(f"det J from {determinants.min():.2f} in this slice; {folded:.0%} of all voxels folded")
