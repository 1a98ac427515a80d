"""The geometry that a NIfTI header states.

ITK and nibabel disagree where a header holds both a qform and an sform, and ITK refuses a sheared matrix
without naming it. So the orientation is read here: methods 2 and 3 of the NIfTI-1 standard (``nifti1.h``).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.volumes.grid import ImageGrid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_LENGTH = 348
_LENGTH_OF_NIFTI_2 = 540
_LARGEST_OFFSET = 1 << 40
_LPS_FROM_RAS = np.array([-1.0, -1.0, 1.0])

# Where the fields lie in the header: offset and struct format.
_DIM = (40, "8h")
_BITPIX = (72, "h")
_PIXDIM = (76, "8f")
_VOX_OFFSET = (108, "f")
_FORM_CODES = (252, "2h")
_QUATERNION_AND_OFFSET = (256, "6f")
_SFORM_ROWS = (280, "12f")


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What matters here of a NIfTI header.

    Attributes
    ----------
    dimensions : tuple of int
        Number of voxels along each of the header's dimensions.
    data_end : int
        Where the voxels end in the uncompressed file, in bytes.
    sform_code, qform_code : int
        0 where the header does not state that form.
    matrix : (3, 3) float64 array or None
        Index steps to RAS mm, of the sform where its code is above 0, else of the qform; None without either.
    offset : (3,) float64 array or None
        Centre of voxel (0, 0, 0), RAS mm.
    """

    dimensions: tuple[int, ...]
    data_end: int
    sform_code: int
    qform_code: int
    matrix: NDArray[np.float64] | None
    offset: NDArray[np.float64] | None

    def grid(self) -> ImageGrid | None:
        """Return the grid that the header states (its first three dimensions), or None where it states none.

        Raises
        ------
        InputError
            The volume has fewer than three dimensions, or the matrix is not finite, singular or sheared.
        """
        if self.matrix is None or self.offset is None:
            return None
        if len(self.dimensions) < 3:
            msg = f"a 3-D volume is needed, this one has size {self.dimensions}; save one 3-D volume"
            raise InputError(msg)
        spacing = np.linalg.norm(self.matrix, axis=0)
        if not np.isfinite(spacing).all() or (spacing == 0).any():
            rows = self.matrix.tolist()
            msg = f"its orientation matrix is singular or not finite, got {rows}; correct the header"
            raise InputError(msg)
        x, y, z = self.dimensions[:3]
        direction = _LPS_FROM_RAS[:, None] * self.matrix / spacing
        return ImageGrid(
            (x, y, z), _triple(spacing), _triple(_LPS_FROM_RAS * self.offset), tuple(direction.ravel())
        )


def read_nifti_header(path: Path) -> NiftiHeader:
    """Read the header of a ``.nii`` or ``.nii.gz`` file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    NiftiHeader

    Raises
    ------
    InputError
        The file is no NIfTI-1 file, or ends within its header.
    """
    with open_nifti(path) as file:
        try:
            raw = file.read(_LENGTH)
        except (EOFError, OSError, zlib.error) as error:
            msg = f"the file is truncated or corrupt ({error}); copy or export it again"
            raise InputError(msg) from error
    for order in "<>":
        length = struct.unpack_from(f"{order}i", raw)[0] if len(raw) == _LENGTH else 0
        if length == _LENGTH:
            return _parse(raw, order)
        if length == _LENGTH_OF_NIFTI_2:
            msg = "this is a NIfTI-2 file, which ITK cannot read; save it as NIfTI-1"
            raise InputError(msg)
    msg = (
        "the file is truncated, corrupt or no NIfTI file (it has no complete header); copy or export it again"
    )
    raise InputError(msg)


def open_nifti(path: Path) -> IO[bytes] | gzip.GzipFile:
    """Open a NIfTI file for reading its uncompressed bytes."""
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")


def _parse(raw: bytes, order: str) -> NiftiHeader:
    def values(field: tuple[int, str]) -> tuple[Any, ...]:
        return struct.unpack_from(order + field[1], raw, field[0])

    rank, *counts = values(_DIM)
    if not 1 <= rank <= len(counts) or min(counts[:rank]) < 1:
        msg = (
            f"the file is corrupt (its dimensions make no sense: {[rank, *counts]}); copy or export it again"
        )
        raise InputError(msg)
    dimensions = tuple(counts[:rank])
    qform_code, sform_code = values(_FORM_CODES)
    matrix = offset = None
    if sform_code > 0:
        rows = np.asarray(values(_SFORM_ROWS), dtype=np.float64).reshape(3, 4)
        matrix, offset = rows[:, :3], rows[:, 3]
    elif qform_code > 0:
        numbers = np.asarray(values(_QUATERNION_AND_OFFSET), dtype=np.float64)
        matrix, offset = _from_quaternion(numbers[:3], np.asarray(values(_PIXDIM))), numbers[3:]
    data_bytes = (math.prod(dimensions) * values(_BITPIX)[0] + 7) // 8
    (voxel_offset,) = values(_VOX_OFFSET)
    if not 0 <= voxel_offset < _LARGEST_OFFSET:
        raise InputError(f"the file is corrupt (its voxels begin at byte {voxel_offset}); export it again")
    data_end = int(voxel_offset) + data_bytes
    return NiftiHeader(dimensions, data_end, sform_code, qform_code, matrix, offset)


def _from_quaternion(imaginary: NDArray[np.float64], pixdim: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix of method 2 of the standard; the real part follows from the unit length."""
    steps = pixdim[1:4]
    if not np.isfinite(steps).all() or (steps <= 0).any():
        sizes = steps.tolist()
        msg = f"its spacing is zero, negative or not finite, got {sizes} mm; correct pixdim in the header"
        raise InputError(msg)
    remainder = 1.0 - float(imaginary @ imaginary)
    # Below 1e-7 the remainder is float32 noise of a half turn: the reference implementation snaps it too.
    if remainder < 1e-7:
        real = 0.0
        imaginary = imaginary / np.linalg.norm(imaginary)
    else:
        real = math.sqrt(remainder)
    b, c, d = imaginary
    cross = np.array([[0.0, -d, c], [d, 0.0, -b], [-c, b, 0.0]])
    rotation = np.eye(3) + 2.0 * real * cross + 2.0 * cross @ cross
    handedness = -1.0 if pixdim[0] < 0 else 1.0
    return np.asarray(rotation * steps * np.array([1.0, 1.0, handedness]))


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = values
    return (float(x), float(y), float(z))
