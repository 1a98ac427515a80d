"""Whether a file holds all its voxels, unharmed.

ITK fills a truncated NIfTI file with zeros without a word, and takes damaged deflate streams in NRRD and
MetaImage files for voxels. So every compressed stream is read through once, which checks its check sum (about
0.1 s for 24 million label voxels), and counted.
"""

from __future__ import annotations

import gzip
import re
import zlib
from typing import IO, TYPE_CHECKING

from napari_shapereg.errors import InputError
from napari_shapereg.volumes.nifti import open_nifti, read_nifti_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_DIMENSIONS = [str(number).encode() for number in range(1, 11)]
_DATA_FILE = re.compile(rb"(?!(?i:LIST))[^/\\%:\x00-\x1f]+(%0?\d?d[^/\\%:\x00-\x1f]*)?")
"""A name without folders, and no list of names; at most one number is printed into it."""
_META_LINE = re.compile(rb"([^\x00-\x08\x0a-\x1f=:]*)[=:](.*)\n", re.DOTALL)
"""Where other control characters end a name, ITK sees another name than we do."""
_GZIP_MAGIC = b"\x1f\x8b"
_TRAIL = 1 << 20
"""Bytes that may follow the voxels; an archive that goes on and on is a trap."""
_LONGEST_HEADER_LINE = 1 << 16


def check_complete(path: Path, ending: str, expected: int) -> None:
    """Read the file once and make sure that no voxel is missing and no compressed stream is damaged.

    Parameters
    ----------
    path : Path
    ending : str
        Which of the supported endings the name has.
    expected : int
        Bytes that the voxels take when they are not compressed.

    Raises
    ------
    InputError
        The file is truncated or corrupt, or the data file that it names is missing.
    """
    if ending.startswith(".nii"):
        _check_nifti(path)
    elif ending.endswith(".nrrd"):
        _check_nrrd(path, expected)
    else:
        _check_meta_image(path, expected)


def check_compression(path: Path, ending: str) -> None:
    """Make sure that a NIfTI file is compressed exactly where its name says so; ITK goes by the name alone.

    Raises
    ------
    InputError
        A ``.nii.gz`` file is not compressed, or a ``.nii`` file is.
    """
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
    if ending == ".nii.gz" and not compressed:
        msg = "the file is corrupt or not compressed; if it is a plain NIfTI file, rename it to .nii"
        raise InputError(msg)
    if ending == ".nii" and compressed:
        msg = "the file is compressed by gzip; rename it to .nii.gz"
        raise InputError(msg)


def check_meta_header(path: Path) -> None:
    """Refuse a MetaImage header that makes ITK crash, or names files outside its folder.

    ITK makes room for any number of dimensions, and prints slice numbers into the name of the data file,
    whatever conversions that holds.

    Raises
    ------
    InputError
        A line is no field, or it has no number of dimensions from 1 to 10, or no name of a data file in its
        own folder.
    """
    with path.open("rb") as file:
        fields = _meta_fields(file)
    if fields.get(b"NDims") not in _DIMENSIONS:
        raise damaged(f"NDims is {fields.get(b'NDims', b'missing')[:20]!r}")
    _require_beside(fields.get(b"ElementDataFile", b""))


def _meta_fields(file: IO[bytes]) -> dict[bytes, bytes]:
    """Return the fields of a MetaImage header, and leave the file where its voxels begin."""
    fields: dict[bytes, bytes] = {}
    while b"ElementDataFile" not in fields and (line := file.readline(_LONGEST_HEADER_LINE)):
        if not line.strip():
            continue
        match = _META_LINE.fullmatch(line)
        if not match:
            raise damaged(f"the line {line[:40]!r} is no field of its header")
        key = match[1].strip()
        if key in fields:
            raise damaged(f"{key[:40]!r} occurs twice in its header")
        fields[key] = match[2].lstrip(b"=: \t").rstrip(b" \t\r")
    return fields


def check_nrrd_header(path: Path) -> None:
    """Refuse an NRRD header that names files outside its folder, or more than one.

    Raises
    ------
    InputError
        It does so, or has a line that is too long or that ITK takes for two.
    """
    with path.open("rb") as file:
        fields = _nrrd_fields(file)
    for key in {b"data file", b"datafile"} & fields.keys():
        _require_beside(fields[key])


def _nrrd_fields(file: IO[bytes]) -> dict[bytes, bytes]:
    """Return the fields of an NRRD header, and leave the file where its voxels begin."""
    fields: dict[bytes, bytes] = {}
    while line := file.readline(_LONGEST_HEADER_LINE).removesuffix(b"\n").removesuffix(b"\r"):
        if b"\r" in line or len(line) == _LONGEST_HEADER_LINE:
            raise damaged(f"the line {line[:40]!r} is no field of its header")
        key, _, value = line.partition(b":")
        fields[key.strip().lower()] = value.strip()
    return fields


def _require_beside(name: bytes) -> None:
    if not _DATA_FILE.fullmatch(name):
        raise damaged(f"its voxels lie in {name[:40]!r}; keep them beside the header, in one file")


def damaged(reason: str) -> InputError:
    """Return the error for a file that cannot be read to its end, to be raised by the caller."""
    return InputError(
        f"the file is truncated, corrupt or not what its ending says ({reason}); export it again"
    )


def _check_nifti(path: Path) -> None:
    with open_nifti(path) as file:
        _require(_chunks(file), read_nifti_header(path).data_end)


def _check_nrrd(path: Path, expected: int) -> None:
    with path.open("rb") as file:
        fields = _nrrd_fields(file)
        detached = {b"data file", b"datafile", b"line skip", b"byte skip"} & fields.keys()
        if detached or fields.get(b"encoding", b"").lower() not in {b"gzip", b"gz"}:
            return
        with gzip.open(file) as stream:
            _require(_chunks(stream), expected)


def _check_meta_image(path: Path, expected: int) -> None:
    with path.open("rb") as file:
        fields = _meta_fields(file)
        compressed = fields.get(b"CompressedData", b"").lower() == b"true"
        name = fields.get(b"ElementDataFile", b"").decode(errors="replace")
        if name.upper() == "LOCAL":
            _require(_inflated(file) if compressed else _chunks(file), expected)
            return
    if "%" in name:
        return
    data = path.parent / name
    if not data.is_file():
        msg = f"the voxels lie in {name}, which is not there; keep it beside the header"
        raise InputError(msg)
    with data.open("rb") as file:
        _require(_inflated(file) if compressed else _chunks(file), expected)


def _chunks(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _inflated(file: IO[bytes]) -> Iterator[bytes]:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
    for chunk in _chunks(file):
        yield stream.decompress(chunk, _CHUNK)
        while stream.unconsumed_tail:
            yield stream.decompress(stream.unconsumed_tail, _CHUNK)
    if not stream.eof:
        msg = "its compressed stream has no end"
        raise EOFError(msg)


def _require(chunks: Iterator[bytes], expected: int) -> None:
    """Read a stream to its end, which checks its check sum, or until it is longer than it can be."""
    count = 0
    try:
        for chunk in chunks:
            count += len(chunk)
            if count > expected + _TRAIL:
                raise damaged(f"it holds more than {expected} bytes")
    except (EOFError, OSError, zlib.error) as error:
        raise damaged(str(error)) from error
    if count < expected:
        raise damaged(f"it holds {count} of {expected} bytes")
