"""
Two knees, before any registration
==================================

The femoral cartilage of two subjects of the Osteoarthritis Initiative, as they were scanned: thin, bent
sheets, 25 mm apart. The arrows are those of the energy distance, the first thing that a registration
descends.

**Choose** the energy distance to start with. It needs no length, no first guess and no overlap, takes a
fraction of a second for these two, and is what ``shapereg register`` uses unless you ask for something else.
"""

from __future__ import annotations

import time
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import napari_shapereg as sr
from napari_shapereg.measures import surface_from_labels

SOURCE, TARGET, ARROWS = "#D55E00", "#0072B2", "#009E73"

# %%
# The two volumes are public and come from the web, once, and are checked by their hashes. A copy in a folder
# ``shared/data/oai`` beside the repository is taken where there is one; without a network, two of the knees
# that travel with the package stand in.

beside = Path("../../../shared/data/oai")
try:
    moving, fixed = sr.sample_pair("oai", cache=beside if beside.is_dir() else None)
    subjects = "two subjects of the OAI"
except sr.ShapeRegError:
    moving, fixed = sr.sample_pair("knees")
    subjects = "sample knees: the OAI files could not be had"

# %%
# Pairs of voxels are averaged within the slices, as in the paper, and each knee gets mass 1.

alpha, beta = (
    sr.measure_from_labels(volume, label=1, binning=(2, 2, 1)).normalized() for volume in (moving, fixed)
)
loss = sr.EnergyDistance()
began = time.perf_counter()
value, arrows = loss(alpha, beta), sr.descent_field(loss, alpha, beta)
seconds = time.perf_counter() - began
print(f"{len(alpha)} points against {len(beta)}: value and arrows in {seconds:.2f} s")

# %%
# **Look at** the far end of the source, at the bottom: every point there has an arrow, and all arrows agree
# on the way, but for what turning and stretching the knee takes. Those at the back are shorter, since the
# points in front push against them. An arrow is a difference of two mean directions, without unit and at most
# 2 long: it says which way to go, not how far. The steps of a registration find that out.

torch.manual_seed(0)
some = torch.randperm(len(alpha))[:160]
starts, ways = alpha.points[some], arrows[some]

figure, space = plt.subplots(figsize=(8, 5.6), subplot_kw={"projection": "3d"})
for volume, colour in ((fixed, TARGET), (moving, SOURCE)):
    mesh = surface_from_labels(volume, 1, binning=(4, 4, 2))
    space.plot_trisurf(*mesh.vertices.T, triangles=mesh.faces, color=colour, alpha=0.35, linewidth=0)
space.quiver(*starts.T, *(15 * ways).T, color=ARROWS, linewidth=1.2, arrow_length_ratio=0.35)
space.set(xlabel="x, to the left (mm)", ylabel="y, to the back (mm)", zlabel="z, to the head (mm)")
space.set_aspect("equal")
space.set_box_aspect(None, zoom=1.15)
space.locator_params(nbins=5)
space.view_init(elev=14, azim=-58)
space.text2D(0.5, 1.0, f"Energy distance, {subjects}", transform=space.transAxes, ha="center")
plt.show()

# %%
# The same arrows in three planes. The way is up: from above they nearly vanish.

views = {"from the side": (1, 2), "from the front": (0, 2), "from above": (0, 1)}
names = "x, to the left (mm)", "y, to the back (mm)", "z, to the head (mm)"
source, target = (measure.points[torch.randperm(len(measure))[:8000]] for measure in (alpha, beta))
figure, panels = plt.subplots(1, 3, figsize=(8, 3.1))
for panel, (name, (across, up)) in zip(panels, views.items(), strict=True):
    axes = [across, up]
    panel.plot(*target[:, axes].T, ".", color=TARGET, alpha=0.2, markersize=1.5, markeredgewidth=0)
    panel.plot(*source[:, axes].T, ".", color=SOURCE, alpha=0.2, markersize=1.5, markeredgewidth=0)
    panel.quiver(*starts[:, axes].T, *ways[:, axes].T, color=ARROWS, scale=12, width=0.006, zorder=3)
    panel.set(title=name, xlabel=names[across], ylabel=names[up], aspect="equal")
plt.show()
