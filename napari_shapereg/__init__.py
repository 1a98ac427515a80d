"""Diffeomorphic registration of segmented volumes by global divergences between measures.

The public names are listed in ``__init__.pyi`` and imported when they are first asked for, so that
``import napari_shapereg`` loads neither torch, numba nor Qt.
"""

from __future__ import annotations

import lazy_loader

__version__ = "0.1.0.dev0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
