"""Tell truncated HDF5 files, so that the message says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Where the superblock, by its version, keeps the address of the end of the file (HDF5 File Format
# Specification 3.0, section II.A); offsets are 8 bytes wide in every file that ITK writes.
_END_ADDRESS = {0: 40, 1: 44, 2: 28, 3: 28}


def check_hdf5(path: Path) -> None:
    """Refuse an HDF5 file that is shorter than its superblock says, or no HDF5 file.

    Raises
    ------
    InputError
        Without the file's name, which the caller adds.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if not head.startswith(_HDF5_SIGNATURE):
        raise InputError("this is no HDF5 file; check that it is the transform, and copy or write it again")
    place = _END_ADDRESS.get(head[8]) if len(head) == 64 else None
    if place is None:
        raise InputError("the HDF5 header is damaged; copy or write the file again")
    promised, size = int.from_bytes(head[place : place + 8], "little"), path.stat().st_size
    if size < promised:
        raise InputError(f"the file is truncated: {size} of {promised} bytes are there; copy it again")
