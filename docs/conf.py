"""Sphinx: the site of `make docs`."""

from __future__ import annotations

from importlib import metadata

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
