"""What the user set under napari's File > Preferences > Shape registration.

napari makes the page from ``configurations`` in ``napari.yaml`` and saves it; here it is read, as one checked
object.
"""

from __future__ import annotations

from typing import Literal

from napari.settings import get_plugin_settings
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_shapereg.errors import InputError

PLUGIN = "napari-shapereg"


class Preferences(BaseModel):
    """The preferences of the plugin; the defaults are those of ``napari.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["fast", "balanced", "accurate"] = "balanced"
    engine: Literal["auto", "torch", "numba", "tree", "keops"] = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    max_arrows: int = Field(default=3000, ge=10, le=100_000)


def preferences() -> Preferences:
    """Return what the user prefers; the defaults where napari does not know this plugin (a bare script).

    Raises
    ------
    InputError
        A value in napari's settings file is impossible.
    """
    try:
        settings = get_plugin_settings(PLUGIN)
    except KeyError:
        return Preferences()
    values = {**settings.registration.model_dump(), **settings.display.model_dump()}
    try:
        return Preferences(**values)
    except ValidationError as error:
        wrong = ", ".join(f"{problem['loc'][0]} = {problem['input']!r}" for problem in error.errors())
        raise InputError(
            f"these preferences cannot be used: {wrong}; correct them under File > Preferences"
        ) from error
