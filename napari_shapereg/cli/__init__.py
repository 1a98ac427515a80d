"""The command line: ``shapereg …``, one module for each command.

What is imported here and at the head of the commands' modules is light: ``shapereg --help`` answers at once.
Torch, numba and SimpleITK are imported where a command begins to work.
"""

from __future__ import annotations

from napari_shapereg.cli.application import main

__all__ = ["main"]
