r"""
What each fidelity costs
========================

The time of one value with all its arrows, against the number of points of either measure.

**Choose** the energy distance where points or steps are many. At the same number of points SoftMin takes
about four times as long, Hausdorff some dozen times and a Sinkhorn divergence some fifty times, which buys
arrows that are displacements, so that fewer steps are needed. For each of them, ``coarsen`` the measures
first: a tenth of the points is about a hundredth of the time.
"""

from __future__ import annotations

import math
import time

import matplotlib.pyplot as plt
import torch

import napari_shapereg as sr

torch.set_num_threads(1)  # the engines take this number over
losses = {
    "Sinkhorn, 30 iterations": sr.SinkhornDivergence(blur=0.2, iterations=30, tolerance=1e-9),
    "Hausdorff, 3 iterations": sr.HausdorffDivergence(blur=0.2, iterations=3),
    "SoftMin": sr.SoftMin(blur=0.2),
    "energy distance": sr.EnergyDistance(engine="numba"),
    "energy distance by a tree": sr.EnergyDistance(engine="tree"),
}
shades = "#CC79A7", "#009E73", "#0072B2", "#D55E00", "#E69F00"
lasts = 2**12, 2**13, 2**13, 2**14, 2**16


def cloud(points: int, seed: int) -> sr.Measure:
    """Draw points of mass 1 from a normal distribution of deviation 1 mm about (seed, seed, seed)."""
    generator = torch.Generator().manual_seed(seed)
    return sr.Measure(torch.randn(points, 3, generator=generator) + seed, torch.full((points,), 1 / points))


def seconds(loss: sr.Fidelity, points: int) -> float:
    """Return the processor time of value and gradient on one thread: the least of some runs."""
    times: list[float] = []
    # The first call at a size may compile: it is never the only one.
    while len(times) < 2 or (sum(times) < 0.1 and len(times) < 5):
        source, target = cloud(points, 0), cloud(points, 1)
        source.points.requires_grad_()
        began = time.process_time()
        loss(source, target).backward()
        times.append(time.process_time() - began)
    return min(times)


# %%
# **Look at** the right ends. Below a thousand points a call costs what starting it costs. Above, the lines
# climb towards a slope of 2, that of the dotted line: every pair of points is visited, so twice the points
# take four times the time. Only the tree, which ``engine="auto"`` is, leaves the others once there are enough
# points: from afar it sees many as few. The others stay apart by the number of times that all pairs are
# visited, and because an exponential costs more than a root. The time is that of a processor core, whatever
# else the machine does; on all cores of an idle machine it is about that divided by their number.

figure, panel = plt.subplots(figsize=(8, 4.4))
for (name, loss), shade, last in zip(losses.items(), shades, lasts, strict=True):
    sizes = [2**power for power in range(8, last.bit_length())]
    times = [seconds(loss, points) for points in sizes]
    slope = math.log2(times[-1] / times[-3]) / 2  # over two doublings
    print(f"{name:24} {1000 * times[-1]:6.1f} ms for {last:5} points, slope {slope:.1f}")
    panel.loglog(sizes, times, "o-", color=shade, markersize=4, label=f"{name}: slope {slope:.1f}")
panel.loglog([2048, 16384], [0.0004, 0.0256], ":", color="0.4")
panel.text(1960, 0.0004, "slope 2", color="0.4", ha="right", va="center")
panel.set(xlabel="points of either measure", ylabel="processor time of value and gradient (s)")
panel.set_xticks(sizes[::2], [str(points) for points in sizes[::2]])
panel.minorticks_off()
panel.grid(visible=True)
panel.legend(loc="upper left")
plt.show()
