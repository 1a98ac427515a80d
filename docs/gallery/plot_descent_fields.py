"""
The arrows of every fidelity
============================

What a fidelity d does in a registration is its field v = -∇d: the way in which it wants each point of the
source to go. Here are the fields of all fidelities between the outlines of the same two crescents.

**Choose** by what is asked of the shapes. They may lie anywhere: *energy*. Every part is to go where it
belongs, and there is time: *Sinkhorn*. Parts of one are missing in the other: *Sinkhorn* with a *reach*. They
are thin, and their two sides must not be taken for one another: a *varifold*, or Sinkhorn of position and
normal. They overlap, and details are left: *Gaussian*.
"""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import torch

import napari_shapereg as sr
from napari_shapereg.reductions.kernels import CauchyKernel

SOURCE, TARGET, ARROWS = "#D55E00", "#0072B2", "#009E73"


def crescent(middle: tuple[float, float], radius: float, width: float, turn: float) -> sr.Measure:
    """Return the outline of a thick arc: the middles, lengths and outward normals of its pieces, mm."""
    arc, cap = torch.linspace(-1.9, 1.9, 121), torch.linspace(0, math.pi, 11)[1:-1]
    half = width / 2
    # Outer side, round end, inner side, round end.
    angles = torch.cat((arc, 1.9 + cap.sin() * half / radius, arc.flip(0), -1.9 - cap.sin() * half / radius))
    offsets = torch.cat((half + 0 * arc, half * cap.cos(), 0 * arc - half, -half * cap.cos()))
    rays = torch.stack(((angles + turn).cos(), (angles + turn).sin()), dim=1)
    corners = torch.tensor(middle) + (radius + offsets)[:, None] * rays
    edges = corners.roll(-1, dims=0) - corners
    lengths = torch.linalg.vector_norm(edges, dim=1)
    normals = torch.stack((edges[:, 1], -edges[:, 0]), dim=1) / lengths[:, None]
    return sr.Measure(corners + edges / 2, lengths, normals).normalized()


alpha = crescent((0.32, 0.38), 0.20, 0.07, 2.2)
beta = crescent((0.62, 0.58), 0.24, 0.05, 3.4)

# %%
# Every length is a tenth of the side of the picture, which is 1 mm.

gaussian, sinkhorn = sr.GaussianKernel(0.1), sr.SinkhornDivergence(blur=0.1)
losses = {
    "Gaussian": sr.KernelNorm(gaussian),
    "Laplacian": sr.KernelNorm(sr.LaplacianKernel(0.1)),
    "Cauchy": sr.KernelNorm(CauchyKernel(0.1)),
    "energy": sr.EnergyDistance(),
    "SoftMin": sr.SoftMin(blur=0.1),
    "Hausdorff": sr.HausdorffDivergence(blur=0.1),
    "transport W": sr.OptimalTransport(blur=0.1),
    "Sinkhorn": sinkhorn,
    "SoftMin, p = 1": sr.SoftMin(blur=0.1, p=1),
    "Hausdorff, p = 1": sr.HausdorffDivergence(blur=0.1, p=1),
    "Sinkhorn, p = 1": sr.SinkhornDivergence(blur=0.1, p=1),
    "Sinkhorn, reach 0.1": sr.SinkhornDivergence(blur=0.1, reach=0.1),
    "currents": sr.Currents(gaussian),
    "unoriented varifold": sr.UnorientedVarifold(gaussian),
    "oriented varifold": sr.OrientedVarifold(0.1),
    "Sinkhorn with normals": sr.PositionAndNormal(sinkhorn, normal_length=0.1),
}

# %%
# **Look at** the left end of the source, the farthest from the target. Where a kernel of 0.1 mm compares (the
# first three, currents and varifolds), it hardly sees the target and feels the rest of the source. The energy
# distance draws the whole of it to the whole of the target. SoftMin and Hausdorff draw each point to the
# nearest part. Transport takes all points along, each to a part of its own; W and Sinkhorn differ by the bias
# that :doc:`the circles <plot_circles>` show. With p = 1 near and far count alike, where p = 2 pulls harder
# from afar. With a reach of 0.1 mm, what would have to go much further is let go.
#
# In each picture the arrows are drawn with the same mean length.

figure, panels = plt.subplots(4, 4, figsize=(8, 8.6), sharex=True, sharey=True)
for panel, (name, loss) in zip(panels.flat, losses.items(), strict=True):
    arrows = sr.descent_field(loss, alpha, beta)
    arrows = arrows / torch.linalg.vector_norm(arrows, dim=1).mean()
    panel.plot(*beta.points.T, ".", color=TARGET, markersize=2)
    panel.plot(*alpha.points.T, ".", color=SOURCE, markersize=2)
    panel.quiver(*alpha.points[::5].T, *arrows[::5].T, color=ARROWS, scale=9, width=0.008, zorder=3)
    panel.set(title=name, aspect="equal", xlim=(-0.05, 0.85), ylim=(0.05, 0.95))
    panel.set(xticks=(0, 0.4, 0.8), yticks=(0.1, 0.5, 0.9))
for panel in panels[-1]:
    panel.set_xlabel("x (mm)")
for panel in panels[:, 0]:
    panel.set_ylabel("y (mm)")
plt.show()
