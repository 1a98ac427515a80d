"""Transforms in ITK's text files, and in the binary ones of one matrix (MATLAB 4).

A text has lines ``Name: values``: for each transform ``Transform``, ``Parameters`` and ``FixedParameters``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.parameters import COMPOSITE, Stated, made

if TYPE_CHECKING:
    from pathlib import Path

    import SimpleITK as sitk

    from napari_shapereg.transforms.parameters import Numbers


_MOST_BYTES = 1 << 20
"""Of a file that holds one matrix."""
_MATLAB_4 = (0, 0)
"""Later versions may be compressed, and hold what is no number."""


def read_text(path: Path) -> sitk.Transform:
    """Read a text file, and refuse one that ends early.

    Raises
    ------
    InputError
        The file is no such text, truncated, or what it holds cannot be made (see `made`). Without the file's
        name, which the caller adds.
    """
    try:
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise InputError("this is no text transform file (it holds binary data); check the ending") from error
    sections: list[dict[str, str]] = []
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines:
        if line.startswith("#"):
            continue
        key, colon, value = line.partition(":")
        if not colon:
            raise InputError(f"the line {line[:60]!r} is no 'Name: values' of an ITK transform file")
        if key == "Transform":
            sections.append({})
        if sections:
            sections[-1][key] = value.strip()
    if not sections:
        raise InputError("it holds no transform: a line 'Transform: …' is missing; write it again")
    stated = [_stated(section) for section in sections]
    if lines[-1].startswith("#Transform "):
        raise InputError(f"the file is truncated after {lines[-1]!r}; copy it again")
    if not text.endswith("\n"):
        raise InputError(
            "the last line has no end, so numbers may be missing: the file is truncated; copy it again "
            "(or end the line, if the file was written by hand)"
        )
    return made(stated)


def read_matlab(path: Path) -> sitk.Transform:
    """Read a file of one transform in MATLAB's format 4: a column named after the type, and ``fixed``.

    Raises
    ------
    InputError
        As `read_text`.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise InputError("the file is too large for one matrix; check that it is the transform")
    # Here: it takes longer to import than all the rest of this file.
    from scipy.io import loadmat
    from scipy.io.matlab import matfile_version

    try:
        columns = loadmat(path) if matfile_version(path) == _MATLAB_4 else {}
        fixed = np.asarray(columns.pop("fixed"), dtype=np.float64).ravel()
        ((kind, values),) = columns.items()
        stated = Stated(kind, fixed, np.asarray(values, dtype=np.float64).ravel())
    except Exception as error:
        # Whatever damaged bytes lead to.
        raise InputError(f"the file is corrupt ({type(error).__name__}: {error}); write it again") from error
    return made([stated])


def _stated(section: dict[str, str]) -> Stated:
    kind = section["Transform"]
    if kind.startswith(COMPOSITE):
        return Stated(kind, np.empty(0), np.empty(0))
    missing = sorted({"Parameters", "FixedParameters"} - section.keys())
    if missing:
        raise InputError(f"the file is truncated: {kind} has no {' and no '.join(missing)}; copy it again")
    return Stated(kind, _numbers(section["FixedParameters"]), _numbers(section["Parameters"]))


def _numbers(words: str) -> Numbers:
    try:
        return np.array(words.split(), dtype=np.float64)
    except ValueError as error:
        raise InputError(f"parameters must be numbers ({error}); write the file again") from error
