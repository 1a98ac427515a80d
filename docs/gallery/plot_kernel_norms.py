r"""
How far a kernel sees
=====================

A kernel norm ½⟨α-β, k⋆(α-β)⟩ pushes the points of the source α down the slope of its *potential* u = k⋆(α-β).
On a line one sees at once whether there is a slope where the points are.

**Choose** the energy distance, k(x, y) = -\|x - y\|, when the shapes may lie anywhere: it has no length to
set, and a slope between any two shapes. **Choose** a Gaussian or Laplacian kernel for shapes that overlap
already, when details of about its length σ matter and what is many σ away should not.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch

import napari_shapereg as sr

SOURCE, TARGET = "#D55E00", "#0072B2"


def segment(first: float, last: float, points: int = 120) -> sr.Measure:
    """Spread mass 1 evenly from one place of the line to another, mm."""
    width = (last - first) / points
    places = first + width * (torch.arange(points) + 0.5)
    return sr.Measure(places[:, None], torch.full((points,), 1 / points))


alpha, beta = segment(0.20, 0.35), segment(0.65, 0.80)
gaussian = sr.KernelNorm(sr.GaussianKernel(0.07))
laplacian = sr.KernelNorm(sr.LaplacianKernel(0.07))
energy = sr.EnergyDistance()

# %%
# Potentials
# ----------
#
# **Look at** the curve between the two shapes. The source sits on a hill of its own making, and is to come
# down into the valley of the target. The hill of the Gaussian has two sides and then a plain: the left half
# of the source slides away from the target, and nothing that stands on the plain feels where to go. The
# energy distance falls all the way, in a straight line, from the whole of the source to the whole of the
# target.

line = torch.linspace(0, 1, 401)
figure, panels = plt.subplots(1, 3, figsize=(8, 2.9))
for panel, loss in zip(panels, (gaussian, laplacian, energy), strict=True):
    potential = loss.potential(line[:, None], alpha, beta)
    height = 1.25 * float(potential.abs().max())
    panel.axvspan(0.20, 0.35, color=SOURCE, alpha=0.25, linewidth=0)
    panel.axvspan(0.65, 0.80, color=TARGET, alpha=0.25, linewidth=0)
    panel.axhline(0, color="0.7", linewidth=0.8)
    panel.plot(line, potential, color="black")
    panel.set(xlabel="x (mm)", xlim=(0, 1), ylim=(-height, height), xticks=(0, 0.5, 1))
    panel.text(0.275, -0.93 * height, "α", color=SOURCE, ha="center", weight="bold")
    panel.text(0.725, 0.82 * height, "β", color=TARGET, ha="center", weight="bold")
panels[0].set(title="Gaussian, σ = 0.07 mm", ylabel="potential k⋆(α-β)")
panels[1].set(title="Laplacian, σ = 0.07 mm")
panels[2].set(title="energy distance (mm)")
plt.show()

# %%
# Gradient flows
# --------------
#
# Now each point x of α follows v = -∇u(x), which ``descent_field`` returns, in small steps; the potential
# changes as the points go.


def flow(loss: sr.Fidelity, step: float, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the times, and the places of the points at each of them, mm."""
    places = [alpha.points]
    for _ in range(steps):
        moving = sr.Measure(places[-1], alpha.weights)
        places.append(moving.points + step * sr.descent_field(loss, moving, beta))
    return step * torch.arange(steps + 1), torch.cat(places, dim=1).T


flows = flow(gaussian, 0.0005, 300), flow(laplacian, 0.0005, 300), flow(energy, 0.01, 300)

# %%
# **Look at** where the lines end. Under the Gaussian and the Laplacian, half of the source goes the wrong
# way. Under the energy distance every line leads to the target, and the points spread out in it as they
# should. But the points at the back are slow. One that has all of the source in front of it is pushed back by
# its fellows as hard as the target pulls: its speed is twice the mass *behind* it. In two and three
# dimensions this is milder, and a :doc:`Sinkhorn divergence <plot_circles>` does not do it at all.

figure, panels = plt.subplots(1, 3, figsize=(8, 3.2), sharey=True)
for panel, (times, places) in zip(panels, flows, strict=True):
    panel.axhspan(0.65, 0.80, color=TARGET, alpha=0.25, linewidth=0)
    panel.plot(times, places[:, ::4], color=SOURCE, linewidth=0.8)
    panel.set(xlim=(0, float(times[-1])), ylim=(0, 1))
panels[0].set(title="Gaussian, σ = 0.07 mm", xlabel="time (mm²)", ylabel="x (mm)", xticks=(0, 0.05, 0.1))
panels[1].set(title="Laplacian, σ = 0.07 mm", xlabel="time (mm²)", xticks=(0, 0.05, 0.1))
panels[2].set(title="energy distance", xlabel="time (mm)", xticks=(0, 1, 2))
plt.show()
