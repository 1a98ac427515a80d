"""Plots of a report: the Jacobian determinants, the cost from step to step."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.quality.panels import new_figure, to_png

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

_STYLES = ("-", "--", "-.", ":")


def jacobian_plot(edges: ArrayLike, counts: ArrayLike) -> bytes:
    """Return a PNG with the histogram of det J.

    Parameters
    ----------
    edges : (n + 1,) array
        Borders of the bins, ascending.
    counts : (n,) array
        Voxels in each.

    Returns
    -------
    bytes

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    edges, counts = np.asarray(edges, dtype=float), np.asarray(counts, dtype=float)
    figure = new_figure(6.5, 2.6)
    panel = figure.add_subplot()
    panel.stairs(counts, edges, fill=True, color="0.55")
    panel.axvline(1, color="black", linewidth=0.8, linestyle=":", label="1: volume kept")
    panel.axvline(0, color="black", linewidth=1.5, label="0: folded to the left")
    panel.set(
        yscale="log",
        xlabel="det J, fixed to moving",
        ylabel="voxels",
        xlim=(min(-0.1, edges[0] - 0.1), max(2.0, edges[-1] + 0.1)),
    )
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=8)
    return to_png(figure)


def cost_plot(history: Sequence[tuple[str, int, float]]) -> bytes:
    """Return a PNG with the cost of each step, relative to the first of its stage.

    The costs of two stages are different quantities, so that only their decrease can be drawn on one axis.

    Parameters
    ----------
    history : sequence of (stage, iteration, cost)
        In the order of the run.

    Returns
    -------
    bytes

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    figure = new_figure(6.5, 2.6)
    panel = figure.add_subplot()
    step = 0
    for number, (stage, rows) in enumerate(groupby(history, key=lambda row: row[0])):
        costs = np.array([cost for _, _, cost in rows], dtype=float)
        relative = costs / abs(costs[0]) if costs[0] else costs
        steps = step + np.arange(len(costs))
        shade = f"{0.15 * (number % 4):.2f}"
        panel.plot(steps, relative, color=shade, linestyle=_STYLES[number % 4], linewidth=1.3, label=stage)
        step += len(costs)
    panel.set(xlabel="step", ylabel="cost / first cost of the stage")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return to_png(figure)
