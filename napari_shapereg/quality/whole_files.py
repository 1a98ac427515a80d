"""Write a file whole or not at all."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give the block a temporary file name beside the target, and move that file there afterwards.

    Raises
    ------
    InputError
        The folder does not exist, the target is a directory, or the file cannot be written.
    """
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} does not exist; create it first")
    if target.is_dir():
        raise InputError(f"{target}: this is a directory; give the name of a file")
    try:
        with tempfile.TemporaryDirectory(prefix=".shapereg-", dir=target.parent) as folder:
            # ITK knows endings in lower case only.
            temporary = Path(folder) / target.name.lower()
            yield temporary
            temporary.replace(target)
    except (OSError, RuntimeError) as error:
        # (ITK's writers raise RuntimeError.)
        reason = (getattr(error, "strerror", None) or str(error)).strip().splitlines()[-1]
        raise InputError(f"{target}: cannot be written ({reason}); check permissions and space") from error
