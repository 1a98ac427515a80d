"""Find truncated transform files, which ITK reads without complaint or crashes noisily on."""

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


def check_text(path: Path) -> None:
    """Refuse a text transform file that ends early.

    ITK leaves a transform whose parameters are missing at the identity, so that a field cut short by a full
    disk would silently do nothing.

    Raises
    ------
    InputError
        Without the file's name, which the caller adds.
    """
    try:
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise InputError("this is no text transform file (it holds binary data); check the ending") from error
    kinds: list[str] = []
    keys: list[set[str]] = []
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines:
        if line.startswith("#"):
            continue
        key, colon, value = line.partition(":")
        if not colon:
            raise InputError(f"the line {line[:60]!r} is no 'Name: values' of an ITK transform file")
        if key == "Transform":
            kinds.append(value.strip())
            keys.append(set())
        elif keys:
            keys[-1].add(key)
    if not kinds:
        raise InputError("it holds no transform: a line 'Transform: …' is missing; write it again")
    _check_sections(kinds, keys)
    if lines[-1].startswith("#Transform "):
        raise InputError(f"the file is truncated after {lines[-1]!r}; copy it again")
    if not text.endswith("\n"):
        raise InputError(
            "the last line has no end, so numbers may be missing: the file is truncated; copy it again "
            "(or end the line, if the file was written by hand)"
        )


def _check_sections(kinds: list[str], keys: list[set[str]]) -> None:
    composite = kinds[0].startswith("CompositeTransform")
    if composite and len(kinds) == 1:
        raise InputError("the file is truncated: it announces a composite transform and holds no part of one")
    if not composite and len(kinds) > 1:
        raise InputError(
            f"it holds {len(kinds)} transforms side by side, and does not say how they combine; "
            "keep one, or write them as one composite transform"
        )
    for kind, present in zip(kinds[composite:], keys[composite:], strict=True):
        missing = {"Parameters", "FixedParameters"} - present
        if missing:
            raise InputError(
                f"the file is truncated: {kind} has no {' and no '.join(sorted(missing))}; copy it again"
            )
