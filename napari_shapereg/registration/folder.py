"""The folder of a result: written beside its place, and moved there when it is complete."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_folder(folder: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Return the folder that results may be written to.

    Raises
    ------
    InputError
        It is a file, it holds something and `overwrite` is false, or the folder above it does not exist or
        cannot be written to.
    """
    target = Path(folder).expanduser().absolute()
    if target.exists() and not target.is_dir():
        raise InputError(f"{folder}: this is a file; give the name of a folder for the results")
    if target.is_dir() and any(target.iterdir()) and not overwrite:
        raise InputError(
            f"{folder}: this folder exists and is not empty; give another one, or allow to overwrite it "
            f"(overwrite=True, --overwrite)"
        )
    if not target.parent.is_dir():
        raise InputError(f"{folder}: the folder {target.parent} does not exist; create it first")
    if not all(os.access(place, os.W_OK) for place in (target, target.parent) if place.exists()):
        raise InputError(f"{folder}: this place cannot be written to; check permissions, or give another one")
    return target


@contextmanager
def complete_folder(folder: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Give the block an empty folder, and move what it wrote there into place when it is done.

    An interrupted block leaves nothing behind. A new folder appears whole; in an existing one each file is
    replaced whole, and files of other names stay.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    InputError
        See `check_folder`; or the folder cannot be written to.
    """
    target = check_folder(folder, overwrite=overwrite)
    # Named before it is made, so that an interruption at any moment finds what to remove.
    temporary = target.parent / f".shapereg-{secrets.token_hex(8)}"
    try:
        temporary.mkdir()
        yield temporary
        if target.exists():
            for file in sorted(temporary.iterdir()):
                file.replace(target / file.name)
        else:
            temporary.rename(target)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); check permissions and space"
        ) from error
    except InputError as error:
        # Named as the user named it.
        raise InputError(str(error).replace(str(temporary), str(folder))) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
