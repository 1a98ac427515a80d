"""Sphinx: the site of `make docs`."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "napari-shapereg"
author = "napari-shapereg developers"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name
release = metadata.version("napari-shapereg")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_ivar = True

LITERAL_OR_BAR = re.compile(r"(``.*?``)|\|")


def escape_bars(*event: object) -> None:
    """Let |x - y| in a docstring be a distance: reStructuredText would take it for a substitution."""
    lines = event[-1]
    lines[:] = [LITERAL_OR_BAR.sub(lambda match: match[1] or r"\|", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Register what the docstrings need."""
    app.connect("autodoc-process-docstring", escape_bars)
