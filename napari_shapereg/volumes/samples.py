"""Volumes to try things on: those that travel with the package, and two real knees from the web."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_shapereg.errors import InputError, ShapeRegError
from napari_shapereg.volumes.knees import KNEE_COLORS, KNEE_NAMES
from napari_shapereg.volumes.readers import read_labels

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from napari_shapereg.volumes.labels import LabelVolume

BUNDLED_PAIRS = {
    "knees": ("knee_a.nii.gz", "knee_b.nii.gz"),
    "known": ("known_moving.nii.gz", "known_fixed.nii.gz"),
}
"""Pairs (moving, fixed) that travel with the package; `phantoms` makes the same volumes."""

OAI_URL = (
    "https://raw.githubusercontent.com/jeanfeydy/global-divergences/"
    "3ba82efa525a7d206f93880bab06c400f3d24111/global_divergences_ShapeMI2018/data"
)
"""Where the OAI pair is published: MIT licence, Copyright (c) 2018 jeanfeydy."""

OAI_HASHES = {
    "OAI_a.nii.gz": "7a3eec5f3038d1746d31c5002f646d5c98a6862284acc3810e1a1f0ff14a07b6",
    "OAI_b.nii.gz": "5492d323f51bbf2cccb670a7c54cc73f2a4c442abccbf651f5e8ade5cb5c01ce",
}
"""SHA-256 of the two files, moving first."""

_TIMEOUT = 30.0  # seconds without an answer


def sample_path(file: str) -> Path:
    """Return where a sample file lies.

    Parameters
    ----------
    file : str
        ``knee_a.nii.gz``, ``knee_b.nii.gz``, ``known_moving.nii.gz`` or ``known_fixed.nii.gz``.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        There is no such sample.
    """
    known = [name for pair in BUNDLED_PAIRS.values() for name in pair]
    if file not in known:
        msg = f"no sample is named {file!r}; there are {', '.join(known)}"
        raise InputError(msg)
    package = Path(__file__).resolve().parent.parent
    # Inside the package in an installed wheel, beside it in a checkout.
    places = (package / "sample_volumes" / file, package.parent / "sample_volumes" / file)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        msg = f"{file} is missing from {places[0].parent}: install napari-shapereg again"
        raise InputError(msg)
    return found


def sample_pair(
    name: str,
    *,
    base_url: str = OAI_URL,
    cache: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[LabelVolume, LabelVolume]:
    """Return a pair of label volumes to register.

    Parameters
    ----------
    name : {"knees", "known", "oai"}
        "knees": two synthetic subjects. "known": a pair whose true deformation is that of
        `phantoms.known_deformation`.
        "oai": knee cartilage of two subjects of the Osteoarthritis Initiative, downloaded once and checked by
        its hash (MIT licence, Copyright (c) 2018 jeanfeydy, github.com/jeanfeydy/global-divergences).
    base_url : str
        Folder on the web that holds the OAI files, for mirrors.
    cache : path, optional
        Folder that keeps downloaded files; pooch's cache folder for napari-shapereg if not given.
    progress : callable, optional
        Told during a download how many bytes of how many of a file have come.

    Returns
    -------
    moving, fixed : LabelVolume

    Raises
    ------
    InputError
        There is no such pair.
    ShapeRegError
        The OAI files cannot be downloaded, or are not what they should be.
    """
    if name == "oai":
        moving, fixed = (_download(file, base_url, cache, progress) for file in OAI_HASHES)
    elif name in BUNDLED_PAIRS:
        moving, fixed = (sample_path(file) for file in BUNDLED_PAIRS[name])
    else:
        msg = f"no sample pair is named {name!r}; there are {', '.join([*BUNDLED_PAIRS, 'oai'])}"
        raise InputError(msg)
    return _named(moving), _named(fixed)


def _named(path: Path) -> LabelVolume:
    # NIfTI has no place for names, and all these files label the same structures.
    return replace(read_labels(path), names=KNEE_NAMES, colors=KNEE_COLORS)


class _Reporter:
    """What pooch takes for a progress bar."""

    def __init__(self, told: Callable[[int, int], None]) -> None:
        self.total = 0
        self._told, self._done = told, 0

    def update(self, count: int) -> None:
        self._done += count
        self._told(self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def _download(
    file: str,
    base_url: str,
    cache: str | os.PathLike[str] | None,
    progress: Callable[[int, int], None] | None,
) -> Path:
    import pooch  # type: ignore[import-untyped]

    url = f"{base_url.rstrip('/')}/{file}"
    folder = Path(cache) if cache is not None else Path(pooch.os_cache("napari-shapereg"))
    try:
        found = pooch.retrieve(
            url,
            known_hash=f"sha256:{OAI_HASHES[file]}",
            fname=file,
            path=folder,
            downloader=pooch.HTTPDownloader(
                timeout=_TIMEOUT, progressbar=_Reporter(progress) if progress else False
            ),
        )
    # Everything that requests raises is an OSError too, also its ValueErrors.
    except OSError as error:
        msg = f"{url} cannot be downloaded ({error}); check the network, or put the file into {folder}"
        raise ShapeRegError(msg) from error
    except ValueError as error:
        msg = f"{url} is not the file that it should be ({error}); nothing was kept; try another mirror"
        raise ShapeRegError(msg) from error
    return Path(found)
