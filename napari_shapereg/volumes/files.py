"""Write a file whole or not at all, and name it in what goes wrong."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_shapereg.errors import InputError, ShapeRegError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the block a temporary file name, and move that file to its place when the block is done.

    The temporary name has the same ending (ITK chooses the format by it) and lies in a folder beside the
    target, so that the move is atomic: an interrupted block leaves neither half a file nor a lost old one.

    Parameters
    ----------
    path : path
        The file to write; an existing one is replaced.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    InputError
        The folder does not exist, the path is a directory, or the file cannot be written.
    """
    target = Path(path).expanduser()
    with naming(target):
        if not target.parent.is_dir():
            raise InputError(f"the folder {target.parent} does not exist; create it first")
        if target.is_dir():
            raise InputError("this is a directory; give the name of a file")
        try:
            with tempfile.TemporaryDirectory(prefix=".shapereg-", dir=target.parent) as folder:
                # ITK knows endings in lower case only.
                temporary = Path(folder) / target.name.lower()
                yield temporary
                _move(temporary, target)
        except (OSError, RuntimeError) as error:
            # (ITK's writers raise RuntimeError.)
            raise InputError(f"cannot be written ({reason(error)}); check permissions and space") from error


def _move(temporary: Path, target: Path) -> None:
    """Move a file and the others that were written beside it, which it names: it must not appear first."""
    for companion in temporary.parent.iterdir():
        if companion != temporary:
            companion.replace(target.parent / companion.name)
    temporary.replace(target)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the name of a file before the message of an error that the block raises, unless it is there."""
    try:
        yield
    except ShapeRegError as error:
        if str(error).startswith(str(path)):
            raise
        raise type(error)(f"{path}: {error}") from error


def require_space(folder: Path, needed: int) -> None:
    """Refuse to write what the disk has no room for, before a library that takes that badly finds out.

    Parameters
    ----------
    folder : Path
        Where the file will lie.
    needed : int
        Bytes.

    Raises
    ------
    InputError
        The disk has less.
    """
    if not folder.is_dir():
        return
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free on the disk of {folder}; "
            "make room"
        )


def file_ending(path: Path, allowed: tuple[str, ...]) -> str:
    """Return which of the allowed endings, such as ``.nii.gz``, a file name has, in lower case.

    Raises
    ------
    InputError
        It has none of them.
    """
    name = path.name.lower()
    for ending in sorted(allowed, key=len, reverse=True):
        if name.endswith(ending):
            return ending
    raise InputError(f"the ending {path.suffix or '(none)'!r} is unknown; use one of {', '.join(allowed)}")


def reason(error: Exception) -> str:
    """Return what an error says, in one line: ITK's messages start with the place in its source."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
