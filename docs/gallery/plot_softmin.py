"""
SoftMin, between a sum and a minimum
====================================

The soft distance to a measure β is Smin C(x, y) = -ε log Σ β_j exp(-C(x, y_j) / ε). It is the one thing that
SoftMin, Hausdorff and Sinkhorn divergences are made of, and its *temperature* ε = blur^p is what one chooses.

**Choose** the blur as large as the details that should match, and not below the distance between neighbouring
points. With a large blur every point sees the whole target at once, as with the energy distance; with a small
one each sees the nearest point alone. **Choose** the SoftMin fidelity itself for a cheap pull to the nearest
part of the target. It is no distance: between shapes that differ it may even fall below 0. The Hausdorff
divergence mends that.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch

import napari_shapereg as sr
from napari_shapereg.reductions.differentiable import kernel_sum, nearest, softmin

SOURCE, TARGET = "#D55E00", "#0072B2"

# %%
# Two points on a line
# --------------------
#
# β has half of its mass at 0.25 mm and half at 0.75 mm, and C(x, y) = \|x - y\|. **Look at** the two ends:
# for ε = +∞ the curve is the *mean* of the two distances, flat between the points; for ε = 0 it is the
# *smaller* one, a valley at each point. One temperature leads from one to the other.

y = torch.tensor([[0.25], [0.75]])
weights = torch.tensor([0.5, 0.5])
x = torch.linspace(0, 1, 401)[:, None]
curves = {
    "ε = +∞ (mean)": -kernel_sum(sr.EnergyKernel(), x, y, weights),
    "ε = 0.5 mm": softmin(0.5, 1, x, y, weights.log()),
    "ε = 0.1 mm": softmin(0.1, 1, x, y, weights.log()),
    "ε = 0 (minimum)": nearest(x, y)[1],
}
figure, panel = plt.subplots(figsize=(8, 3.4))
shades = plt.colormaps["viridis"]([0.0, 0.35, 0.65, 0.88])
for (name, curve), shade in zip(curves.items(), shades, strict=True):
    panel.plot(x, curve, color=shade, label=name)
panel.plot(y, torch.zeros(2), "o", color=TARGET, clip_on=False, markersize=8)
panel.text(0.25, 0.03, "β", color=TARGET, ha="center", weight="bold")
panel.text(0.75, 0.03, "β", color=TARGET, ha="center", weight="bold")
panel.set(xlabel="x (mm)", ylabel="soft distance to β (mm)", xlim=(0, 1), ylim=(0, 0.55))
panel.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
plt.show()

# %%
# The same in the plane
# ---------------------
#
# Grey lines join the places at equal soft distance from a curved shape β; the arrows are those along which
# the SoftMin fidelity moves a source α. **Look at** the middle of the grey lines: at a large blur the target
# looks like one spot, at a small blur the lines follow its shape. The arrows aim at the whole of it first,
# then at the part that is nearest.


def arc(radius: float, middle: tuple[float, float], angles: tuple[float, float]) -> sr.Measure:
    """Spread mass 1 along a piece of a circle, mm."""
    turn = torch.linspace(*angles, 90)
    points = torch.stack((middle[0] + radius * turn.cos(), middle[1] + radius * turn.sin()), dim=1)
    return sr.Measure(points, torch.full((90,), 1 / 90))


alpha = arc(0.10, (0.22, 0.30), (0, 6.2))
beta = arc(0.28, (0.62, 0.55), (-2.4, 2.4))
sides = torch.linspace(0, 1, 81)
plane = torch.cartesian_prod(sides, sides)

figure, panels = plt.subplots(1, 3, figsize=(8, 3.0), sharey=True)
for panel, blur in zip(panels, (1.0, 0.2, 0.05), strict=True):
    distance = softmin(blur, 1, plane, beta.points, beta.weights.log()).reshape(81, 81)
    arrows = sr.descent_field(sr.SoftMin(blur, p=1), alpha, beta)[::6]
    start = alpha.points[::6]
    panel.contour(sides, sides, distance.T, levels=14, colors="0.75", linewidths=0.7)
    panel.plot(*beta.points.T, ".", color=TARGET, markersize=3)
    panel.plot(*alpha.points.T, ".", color=SOURCE, markersize=3)
    panel.quiver(*start.T, *arrows.T, color="#009E73", scale=14, width=0.009, zorder=3)
    panel.set(title=f"blur {blur} mm", xlabel="x (mm)", aspect="equal", xlim=(0, 1), ylim=(0, 1))
panels[0].set_ylabel("y (mm)")
plt.show()
