"""Sphinx: the site of `make docs`."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "_extensions")]

project = "napari-shapereg"
author = "napari-shapereg developers"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name
release = metadata.version("napari-shapereg")

extensions = [
    "gallery",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "screenshots",
    "settings_tables",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_extensions", "gallery"]
html_theme = "furo"
html_title = project

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "gallery.reading_order",
    "reset_modules": ("matplotlib", "gallery.prepare_page"),
    "image_srcset": ["2x"],
    # A page that fails, fails the build.
    "abort_on_example_error": True,
    "capture_repr": (),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
}

LITERAL_OR_BAR = re.compile(r"(``.*?``)|\|")


def escape_bars(*event: object) -> None:
    """Let |x - y| in a docstring be a distance: reStructuredText would take it for a substitution."""
    lines = event[-1]
    lines[:] = [LITERAL_OR_BAR.sub(lambda match: match[1] or r"\|", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Register what the docstrings need."""
    app.connect("autodoc-process-docstring", escape_bars)
