"""Affine maps as text files of four rows of four numbers, as Greedy, c3d and ITK-SNAP write them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.containers import affine_transform, require_3d
from napari_shapereg.volumes.files import file_ending, naming, whole_file

if TYPE_CHECKING:
    import os

    import SimpleITK as sitk
    from numpy.typing import NDArray

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""And back: it is its own inverse."""
_MOST_BYTES = 10_000
_TEXT = frozenset(b"0123456789+-.eE \t\r\n")


def read_matrix(path: Path) -> sitk.AffineTransform:
    """Read a matrix that maps fixed to moving points in RAS mm.

    Raises
    ------
    InputError
        It is no such matrix, or singular. Without the file's name, which the caller adds.
    """
    matrix = RAS_TO_LPS @ read_rows(path) @ RAS_TO_LPS
    return affine_transform(matrix[:3, :3], matrix[:3, 3])


def write_matrix(transform: sitk.Transform, path: str | os.PathLike[str]) -> Path:
    """Write a linear map as a matrix of RAS points, for ``greedy -r`` or ``c3d -reslice-matrix``.

    Raises
    ------
    InputError
        The transform is not 3-D or not linear, the ending is not ``.mat``, or the file cannot be written.
    """
    require_3d(transform)
    target = Path(path).expanduser()
    with naming(target):
        file_ending(target, (".mat",))
        if not transform.IsLinear():
            raise InputError(f"a matrix holds one linear transform, got a {transform.GetName()}")
    origin, *ends = (np.array(transform.TransformPoint(point)) for point in np.eye(4, 3, -1).tolist())
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack(ends, axis=1) - origin[:, None]
    matrix[:3, 3] = origin
    with whole_file(target) as temporary:
        np.savetxt(temporary, RAS_TO_LPS @ matrix @ RAS_TO_LPS, fmt="%.17g")
    return target


def read_rows(path: Path) -> NDArray[np.float64]:
    """Return the numbers of a text file as a (4, 4) array.

    Raises
    ------
    InputError
        They are not sixteen, not finite, or their last row is not 0 0 0 1.
    """
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES)
    try:
        rows = np.array(text.split(), dtype=np.float64).reshape(4, 4)
    except ValueError as error:
        raise InputError(
            f"a matrix has four rows of four numbers ({str(error)[:80]}); write it again"
        ) from error
    if not np.isfinite(rows).all() or not np.allclose(rows[3], [0, 0, 0, 1]):
        raise InputError(f"the last row of an affine matrix is 0 0 0 1, got {rows[3].tolist()}")
    return rows


def is_matrix(head: bytes) -> bool:
    """Tell a text of numbers from the binary files that also end in ``.mat``."""
    return bool(head.strip()) and _TEXT.issuperset(head)
