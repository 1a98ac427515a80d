"""
The bias of entropic transport
==============================

Optimal transport moves each point to where it belongs. Its entropic form W_ε, which is what one can compute,
sends each point to a *cloud* of size √ε instead, and what minimises it is a shrunk copy of the target. The
Sinkhorn divergence S(α, β) = W_ε(α, β) - ½ W_ε(α, α) - ½ W_ε(β, β) takes that off.

**Choose** the Sinkhorn divergence whenever you would want optimal transport as a fidelity: it costs two plans
more and ends where it should. **Choose** W_ε only for its plan, as when the question is which point belongs
to which.
"""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import torch

import napari_shapereg as sr

SOURCE, TARGET = "#D55E00", "#0072B2"


def circle(radius: float, middle: tuple[float, float], points: int = 200) -> sr.Measure:
    """Spread mass 1 evenly on a circle, mm."""
    turn = torch.arange(points) * (2 * math.pi / points)
    places = torch.tensor(middle) + radius * torch.stack((turn.cos(), turn.sin()), dim=1)
    return sr.Measure(places, torch.full((points,), 1 / points))


alpha, beta = circle(0.15, (0.25, 0.25)), circle(0.30, (0.60, 0.60))
losses = {
    "W, √ε = 0.1 mm": sr.OptimalTransport(blur=0.1),
    "W, √ε = 0.2 mm": sr.OptimalTransport(blur=0.2),
    "Sinkhorn, √ε = 0.2 mm": sr.SinkhornDivergence(blur=0.2),
}

# %%
# Matching circles
# ----------------
#
# With p = 2 an arrow is a displacement in mm; each point goes a third of the way of its arrow, forty times.
# **Look at** the orange circle at the end. Under W it lies inside of the target, the more so the larger the
# blur; from √ε = R / √2 = 0.21 mm on it would be a dot. Under the Sinkhorn divergence, with the same blur of
# 0.2 mm, it covers the target.


def flow(loss: sr.Fidelity, step: float = 1 / 3, steps: int = 40) -> torch.Tensor:
    """Return the places of the points after each step, (steps + 1, N, 2), mm."""
    places = [alpha.points]
    for _ in range(steps):
        moving = sr.Measure(places[-1], alpha.weights)
        places.append(moving.points + step * sr.descent_field(loss, moving, beta))
    return torch.stack(places)


figure, panels = plt.subplots(1, 3, figsize=(8, 3.2), sharey=True)
for panel, (name, loss) in zip(panels, losses.items(), strict=True):
    places = flow(loss)
    radius = torch.linalg.vector_norm(places[-1] - places[-1].mean(dim=0), dim=1).mean()
    panel.plot(*places[:, ::10].unbind(dim=2), color="0.6", linewidth=0.7)
    panel.plot(*beta.points.T, ".", color=TARGET, markersize=6)
    panel.plot(*places[0].T, ".", color=SOURCE, markersize=2, alpha=0.5)
    panel.plot(*places[-1].T, ".", color=SOURCE, markersize=3)
    panel.set(title=f"{name}\nradius {radius:.2f} of 0.30 mm", xlabel="x (mm)", aspect="equal")
    panel.set(xlim=(0, 1), ylim=(0, 1))
panels[0].set_ylabel("y (mm)")
plt.show()

# %%
# Where the lowest value lies
# ---------------------------
#
# The values of the same losses between the target and circles of any radius around its middle. **Look at**
# where each curve is lowest: it is there that a registration would stop.

radii = torch.linspace(0.005, 0.45, 60)
figure, panel = plt.subplots(figsize=(8, 3.2))
panel.axvline(0.30, color=TARGET, linewidth=1)
panel.text(0.295, 0.071, "radius of the target", color=TARGET, ha="right")
for (name, loss), shade in zip(losses.items(), ("#B07500", "#CC79A7", "black"), strict=True):
    values = torch.stack([loss(circle(float(radius), (0.6, 0.6)), beta) for radius in radii])
    lowest = values.argmin()
    panel.plot(radii, values, color=shade)
    panel.plot(radii[lowest], values[lowest], "o", color=shade, clip_on=False)
    panel.text(0.455, values[-1], name, color=shade, va="center")
panel.set(xlabel="radius of the circle (mm)", ylabel="d(circle, β) (mm²)", xlim=(0, 0.45), ylim=(0, 0.075))
plt.show()
