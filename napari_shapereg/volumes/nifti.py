"""The geometry that a NIfTI header states, and whether the file holds all its voxels.

ITK and nibabel disagree where a header holds both a qform and an sform, and ITK fills a truncated file with
zeros without a word. So the header is read here: layout and orientation methods 2 and 3 of the NIfTI-1 and
NIfTI-2 standards (``nifti1.h``, ``nifti2.h``).
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

_CHUNK = 1 << 20
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class _Layout:
    """Where the fields lie in the header: (offset, struct format)."""

    length: int
    dim: tuple[int, str]
    bitpix: tuple[int, str]
    pixdim: tuple[int, str]
    vox_offset: tuple[int, str]
    codes: tuple[int, str]
    quaternion: tuple[int, str]
    rows: tuple[int, str]


_LAYOUTS = {
    348: _Layout(348, (40, "8h"), (72, "h"), (76, "8f"), (108, "f"), (252, "2h"), (256, "6f"), (280, "12f")),
    540: _Layout(540, (16, "8q"), (14, "h"), (104, "8d"), (168, "q"), (344, "2i"), (352, "6d"), (400, "12d")),
}


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What matters here of a NIfTI header.

    Attributes
    ----------
    dimensions : tuple of int
        Number of voxels along each of the header's dimensions.
    data_end : int
        Where the voxels end in the (uncompressed) file, in bytes.
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
            The matrix is not finite, singular or sheared.
        """
        if self.matrix is None or self.offset is None:
            return None
        spacing = np.linalg.norm(self.matrix, axis=0)
        if not np.isfinite(spacing).all() or (spacing == 0).any():
            rows = self.matrix.tolist()
            msg = f"its orientation matrix is singular or not finite, got {rows}; correct the header"
            raise InputError(msg)
        direction = _LPS_FROM_RAS @ self.matrix / spacing
        origin = _LPS_FROM_RAS @ self.offset
        size = self.dimensions[:3]
        return ImageGrid(size, tuple(spacing), tuple(origin), tuple(direction.ravel()))  # type: ignore[arg-type]


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
        The file is no NIfTI file, or ends within its header.
    """
    with _open(path) as file:
        try:
            raw = file.read(max(_LAYOUTS))
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(_damaged(str(error))) from error
    for order in "<>":
        layout = _LAYOUTS.get(struct.unpack_from(f"{order}i", raw)[0]) if len(raw) >= 4 else None
        if layout is not None and len(raw) >= layout.length:
            return _parse(raw, order, layout)
    raise InputError(_damaged("it has no complete NIfTI header"))


def check_complete(path: Path, header: NiftiHeader) -> None:
    """Read the file once and make sure that no voxel is missing.

    Raises
    ------
    InputError
        The file is truncated, or its compressed stream is corrupt.
    """
    count = 0
    with _open(path) as file:
        try:
            while chunk := file.read(_CHUNK):
                count += len(chunk)
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(_damaged(str(error))) from error
    if count < header.data_end:
        raise InputError(_damaged(f"it holds {count} of {header.data_end} bytes"))


def _parse(raw: bytes, order: str, layout: _Layout) -> NiftiHeader:
    def values(field: tuple[int, str]) -> tuple[Any, ...]:
        return struct.unpack_from(order + field[1], raw, field[0])

    rank, *counts = values(layout.dim)
    if not 1 <= rank <= len(counts) or min(counts[:rank]) < 1:
        raise InputError(_damaged(f"its dimensions make no sense: {[rank, *counts]}"))
    dimensions = tuple(counts[:rank])
    voxel_bits = values(layout.bitpix)[0]
    qform_code, sform_code = values(layout.codes)
    pixdim = np.asarray(values(layout.pixdim), dtype=np.float64)
    matrix = offset = None
    if sform_code > 0:
        rows = np.asarray(values(layout.rows), dtype=np.float64).reshape(3, 4)
        matrix, offset = rows[:, :3], rows[:, 3]
    elif qform_code > 0:
        numbers = np.asarray(values(layout.quaternion), dtype=np.float64)
        matrix, offset = _from_quaternion(numbers[:3], pixdim), numbers[3:]
    data_bytes = (math.prod(dimensions) * voxel_bits + 7) // 8
    data_end = int(values(layout.vox_offset)[0]) + data_bytes
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
        real = float(np.sqrt(remainder))
    b, c, d = imaginary
    cross = np.array([[0.0, -d, c], [d, 0.0, -b], [-c, b, 0.0]])
    rotation = np.eye(3) + 2.0 * real * cross + 2.0 * cross @ cross
    handedness = -1.0 if pixdim[0] < 0 else 1.0
    return np.asarray(rotation * steps * np.array([1.0, 1.0, handedness]))


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]


def _damaged(reason: str) -> str:
    return f"the file is truncated or corrupt ({reason}); copy or export it again"
