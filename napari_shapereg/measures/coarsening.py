"""A coarser measure with the same mass and the same centre of mass."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from napari_shapereg.errors import InputError
from napari_shapereg.measures.measure import Measure
from napari_shapereg.measures.precision import widest

_CELLS_PER_POINT = 4
"""A lattice of at most so many cells is counted in a table."""


def coarsen(measure: Measure, cell: float) -> Measure:
    r"""Merge the points of each cell of a cubic lattice into one, at their centre of mass.

    Cell c becomes the weight W_c = sum w_i at the point sum w_i x_i / W_c over its points, so that mass and
    centre of mass are conserved in every cell, and thus overall. Normals become sum w_i n_i / W_c: W_c times
    this is still the area vector of the piece of surface in the cell, and it is shorter than 1 where the
    piece bends, down to 0 where opposite sides meet in one cell.

    Parameters
    ----------
    measure : Measure
        Any dimension; on any device, where the work is done. Differentiable in points, weights and normals.
    cell : float
        Edge of the cells, mm. They start at the smallest coordinate of the points along each axis, so that a
        translated measure is merged in the same way.

    Returns
    -------
    Measure
        At most as many points, ordered by cell; cells without mass are left out. On the CPU the same measure
        gives the same bytes every time.

    Raises
    ------
    InputError
        `cell` is not a finite number above 0.
    """
    edge = _length(cell)
    corner = measure.points.detach().amin(dim=0)
    owner, cells = _number_cells(torch.floor((measure.points.detach() - corner) / edge))
    # In the widest type: thousands of terms may fall into one cell.
    weights = measure.weights.to(widest(measure.device))
    masses = _sum(weights, owner, cells)
    kept = masses.detach() > 0

    def average(values: Tensor) -> Tensor:
        sums = _sum(weights[:, None] * values, owner, cells)
        return (sums[kept] / masses[kept, None]).to(values.dtype)

    return Measure(
        points=corner + average(measure.points - corner),
        weights=masses[kept].to(measure.dtype),
        normals=None if measure.normals is None else average(measure.normals),
    )


def _length(cell: float) -> float:
    try:
        length = float(cell)
    except (TypeError, ValueError) as error:
        raise InputError(f"cell: received {cell!r}; give a length in mm.") from error
    if not 0 < length < math.inf:
        raise InputError(f"cell: received {cell!r}; give a finite length above 0, in mm.")
    return length


def _number_cells(places: Tensor) -> tuple[Tensor, int]:
    """Return the number (N,) of each row of `places` (N, D), equal for equal rows, and how many there are.

    Places are whole numbers from 0 on, and rows are numbered in ascending order.
    """
    lengths = [1 + int(length) for length in places.amax(dim=0).tolist()]
    table = math.prod(lengths) <= _CELLS_PER_POINT * len(places)
    return _tabled(places, lengths) if table else _sorted(places)


def _tabled(places: Tensor, lengths: list[int]) -> tuple[Tensor, int]:
    """Return what `_number_cells` does, by a table of all cells of the lattice: much faster than sorting."""
    cell = torch.zeros(len(places), dtype=torch.int64, device=places.device)
    for axis, length in zip(places.unbind(dim=1), lengths, strict=True):
        cell = cell * length + axis.long()
    taken = torch.zeros(math.prod(lengths), dtype=torch.int64, device=places.device)
    taken[cell] = 1
    numbers = taken.cumsum(0)
    return numbers[cell] - 1, int(numbers[-1])


def _sorted(places: Tensor) -> tuple[Tensor, int]:
    owner = torch.zeros(len(places), dtype=torch.int64, device=places.device)
    count = 1
    # Axis by axis, numbering anew each time: numbers stay below N^2, however small the cells are.
    for axis in places.unbind(dim=1):
        layers, layer = _unique(axis)
        found, owner = _unique(owner * len(layers) + layer)
        count = len(found)
    return owner, count


def _unique(values: Tensor) -> tuple[Tensor, Tensor]:
    return cast("tuple[Tensor, Tensor]", torch.unique(values, return_inverse=True))


def _sum(values: Tensor, owner: Tensor, cells: int) -> Tensor:
    return values.new_zeros((cells, *values.shape[1:])).index_add(0, owner, values)
