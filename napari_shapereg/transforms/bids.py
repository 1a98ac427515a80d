"""The names of transforms in BIDS derivatives.

``from-A_to-B_mode-image_xfm.h5`` brings images from the space A to the space B (BIDS Extension Proposal 14,
"Spatial transforms"), so that it maps the points of B to those of A: with A the moving and B the fixed space
it is what is called ``fixed_to_moving`` here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from napari_shapereg.errors import InputError

_NAME = re.compile(
    r"(?P<entities>(?:[a-z]+-[A-Za-z0-9]+_)*)from-(?P<moving>[A-Za-z0-9]+)_to-(?P<fixed>[A-Za-z0-9]+)"
)


class BidsNames(NamedTuple):
    """File names of the two maps of a registration.

    Parameters
    ----------
    fixed_to_moving, moving_to_fixed : str
    """

    fixed_to_moving: str
    moving_to_fixed: str


def bids_names(stem: str) -> BidsNames:
    """Return the names that belong to a stem.

    Parameters
    ----------
    stem : str
        Such as ``sub-01_ses-2_from-baseline_to-followup``: entities, then the names of the moving and the
        fixed space, of letters and digits.

    Raises
    ------
    InputError
        It is not of that form.
    """
    found = _NAME.fullmatch(stem)
    if not found:
        raise InputError(
            f"a BIDS name is made of entities, from-MOVING and to-FIXED, of letters and digits, such as "
            f"sub-01_from-baseline_to-followup, got {stem!r}"
        )
    entities, moving, fixed = found.group("entities", "moving", "fixed")
    return BidsNames(
        f"{entities}from-{moving}_to-{fixed}_mode-image_xfm.h5",
        f"{entities}from-{fixed}_to-{moving}_mode-image_xfm.h5",
    )
