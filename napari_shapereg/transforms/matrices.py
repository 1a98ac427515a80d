"""Affine maps as text files of four rows of four numbers, as Greedy, c3d and ITK-SNAP write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.containers import affine_transform

if TYPE_CHECKING:
    from pathlib import Path

    import SimpleITK as sitk
    from numpy.typing import ArrayLike, NDArray

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
    return affine_of(read_rows(path), RAS_TO_LPS)


def affine_of(matrix: ArrayLike, frame: NDArray[np.float64]) -> sitk.AffineTransform:
    """Return the transform of LPS points that a 4 x 4 matrix is in another frame.

    Parameters
    ----------
    matrix : (4, 4) array-like
        Maps points of the other frame.
    frame : (4, 4) array
        From LPS mm to the other frame.

    Raises
    ------
    InputError
        The matrix is singular.
    """
    whole = np.linalg.inv(frame) @ np.asarray(matrix) @ frame
    return affine_transform(whole[:3, :3], whole[:3, 3])


def read_rows(path: Path) -> NDArray[np.float64]:
    """Return the numbers of a text file as a (4, 4) array.

    Raises
    ------
    InputError
        They are not sixteen, not finite, or their last row is not 0 0 0 1.
    """
    text = path.read_bytes()[:_MOST_BYTES]
    try:
        rows = np.array(text.split(), dtype=np.float64).reshape(4, 4)
    except ValueError as error:
        raise InputError(f"a matrix has four rows of four numbers ({error}); write it again") from error
    if not np.isfinite(rows).all() or not np.allclose(rows[3], [0, 0, 0, 1]):
        raise InputError(f"the last row of an affine matrix is 0 0 0 1, got {rows[3].tolist()}")
    return rows


def is_matrix(head: bytes) -> bool:
    """Tell a text of numbers from the binary files that also end in ``.mat``."""
    return bool(head.strip()) and _TEXT.issuperset(head)
