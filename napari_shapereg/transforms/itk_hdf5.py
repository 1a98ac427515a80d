"""Transforms in the HDF5 files of ITK.

The group ``TransformGroup`` holds one group for each transform, ``0``, ``1``, ..., of a ``TransformType``, of
``TransformParameters`` and ``TransformFixedParameters`` where it has any. ITK's own library hangs or crashes
on some damaged files, so the structure is read in Python, by pyfive, through a file that is read for so long
only; the numbers are read here, once their place is known to lie in the file.
"""

from __future__ import annotations

import zlib
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError, ShapeRegError
from napari_shapereg.transforms.completeness import check_hdf5
from napari_shapereg.transforms.parameters import COMPOSITE, Stated, made
from napari_shapereg.volumes.memory import require_memory

if TYPE_CHECKING:
    from pathlib import Path

    import SimpleITK as sitk

    from napari_shapereg.transforms.parameters import Numbers

_MOST_READS, _SPARE_BYTES = 100_000, 1 << 24
_MOST_MEMBERS = 1000
_CONTIGUOUS, _CHUNKED = 1, 2
_DEFLATE = 1
"""The one filter that ITK writes."""
_BEST_RATIO = 1032
"""Of deflate: what is stored cannot be longer than this many times the file."""


class _Sparing:
    """A file of which pieces are read that lie in it, and not for ever.

    A damaged size may be any number, and a damaged tree may lead back to where it began.
    """

    closed = False

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self.size = file, size
        self._reads, self._bytes = 0, 0

    def seek(self, place: int, whence: int = 0) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, count: int = -1) -> bytes:
        left = max(0, self.size - self._file.tell())
        if not 0 <= count <= left:
            raise EOFError(f"{count} bytes are named, {left} are there")
        self._reads += 1
        self._bytes += count
        if self._reads > _MOST_READS or self._bytes > 2 * self.size + _SPARE_BYTES:
            raise EOFError("its tree goes in circles")
        return self._file.read(count)

    def part(self, place: int, count: int) -> bytes:
        self.seek(place)
        return self.read(count)


def read_hdf5(path: Path) -> sitk.Transform:
    """Read an HDF5 file of ITK, ANTs or 3D Slicer.

    Raises
    ------
    InputError
        The file is truncated or damaged, or what it holds cannot be made (see `made`). Without the file's
        name, which the caller adds.
    ResourceError
        It is larger than the memory available.
    """
    check_hdf5(path)
    with path.open("rb") as file:
        try:
            stated = _members(_Sparing(file, path.stat().st_size))
        except ShapeRegError:
            raise
        except Exception as error:
            # Whatever damaged bytes lead to.
            raise InputError(
                f"the file is truncated, corrupt or no transform of ITK ({type(error).__name__}: "
                f"{str(error)[:80]}); copy or write it again"
            ) from error
    return made(stated)


def _members(file: _Sparing) -> list[Stated]:
    # Here: it takes longer to import than all the rest of this file.
    import pyfive  # type: ignore[import-untyped]

    group = pyfive.File(file)["TransformGroup"]
    if len(group) > _MOST_MEMBERS:
        raise InputError(f"it holds {len(group)} transforms; a chain has {_MOST_MEMBERS} at most")
    return [_stated(group[name], file) for name in sorted(group, key=int)]


def _stated(group: Any, file: _Sparing) -> Stated:  # noqa: ANN401 - pyfive has no types
    name = group["TransformType"]
    if name.size != 1:
        raise InputError(f"a transform has one type, got {name.size}; write it again")
    kind = name[()].item().decode("ascii")
    if kind.startswith(COMPOSITE):
        return Stated(kind, np.empty(0), np.empty(0))
    # (ITK before version 5 forgot a letter.)
    fixed, parameters = (
        next((group[name] for name in (f"Transform{what}", f"Tranform{what}") if name in group), None)
        for what in ("FixedParameters", "Parameters")
    )
    return Stated(kind, _numbers(fixed, file), _numbers(parameters, file))


def _numbers(dataset: Any, file: _Sparing) -> Numbers:  # noqa: ANN401
    if dataset is None or dataset.size == 0:
        return np.empty(0)
    if dataset.dtype.kind != "f" or len(dataset.shape) != 1:
        raise InputError(f"parameters must be a row of numbers, got {dataset.shape} of {dataset.dtype}")
    stored = int(dataset.size) * dataset.dtype.itemsize
    if stored > _BEST_RATIO * file.size:
        raise EOFError(f"{stored} bytes are named, the file has {file.size}")
    # What is read, the transform made of it, and its copy in a chain.
    require_memory(24 * int(dataset.size), f"reading {dataset.size} numbers")
    if dataset.id.layout_class == _CONTIGUOUS:
        return np.frombuffer(file.part(dataset.id.data_offset, stored), dataset.dtype).astype(
            np.float64, copy=False
        )
    if dataset.id.layout_class == _CHUNKED:
        return _inflated(dataset, file)
    return np.asarray(dataset[()], dtype=np.float64)


def _inflated(dataset: Any, file: _Sparing) -> Numbers:  # noqa: ANN401
    if any(step["filter_id"] != _DEFLATE for step in dataset.id.filter_pipeline or ()):
        raise InputError("it is compressed in a way that ITK does not use; write it again")
    # What no chunk fills is refused with all that is no number.
    values = np.full(dataset.size, np.nan)
    (length,) = dataset.chunks
    for number in range(dataset.id.get_num_chunks()):
        chunk = dataset.id.get_chunk_info(number)
        packed = file.part(chunk.byte_offset, chunk.size)
        if dataset.id.filter_pipeline and not chunk.filter_mask:
            packed = zlib.decompressobj().decompress(packed, length * dataset.dtype.itemsize)
        (start,) = chunk.chunk_offset
        part = np.frombuffer(packed, dataset.dtype)[: values.size - start]
        values[start : start + len(part)] = part
    return values
