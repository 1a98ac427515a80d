"""What can go wrong: every message names the value received and the remedy."""

from __future__ import annotations


class ShapeRegError(Exception):
    """Base of every error that napari-shapereg raises on purpose."""


class InputError(ShapeRegError, ValueError):
    """A file, an array or a setting that the caller gave cannot be used."""


class EngineError(ShapeRegError, RuntimeError):
    """An engine or a device was asked for that does not work on this machine."""


class MissingExtraError(ShapeRegError, ImportError):
    """A feature needs an optional dependency that is not installed."""


class ResourceError(ShapeRegError, MemoryError):
    """The work asked for needs more memory than the machine has."""
