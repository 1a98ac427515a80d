"""What the gallery needs: one look for all figures, and pages that are run again when the library changes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

DOCS = Path(__file__).resolve().parent.parent
STAMP = "library.sha256"

STYLE: dict[str, Any] = {
    "figure.figsize": (8.0, 3.2),
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "image.interpolation": "nearest",
    "grid.color": "0.9",
    "axes3d.xaxis.panecolor": "white",
    "axes3d.yaxis.panecolor": "white",
    "axes3d.zaxis.panecolor": "white",
}
"""Of every figure; the colours are those of Okabe and Ito, which colour-blind readers tell apart."""


PAGES = (
    "frames",
    "kernel_norms",
    "softmin",
    "circles",
    "descent_fields",
    "oai_arrows",
    "registration",
    "scaling",
    "simpleitk_pipeline",
)
"""In the order in which they are read."""


def reading_order(file: str) -> int:
    """Return the place of a page, `plot_<name>.py`, among the others."""
    return PAGES.index(Path(file).stem.removeprefix("plot_"))


def prepare_page(_settings: dict[str, Any], _page: str | None) -> None:
    """Set the look of the figures of the next page, and let it compute on one thread."""
    import matplotlib as mpl
    import torch

    mpl.rcParams.update(STYLE)
    # The number of threads, which the engines take over, changes the last digits of a registration: with one,
    # a page reads the same wherever it is built. Where other work goes on, threads wait long for each other.
    torch.set_num_threads(1)


def forget_old_pages(app: Sphinx, _config: Config) -> None:
    """Let every page run again when the library, the look or the settings of the site have changed.

    sphinx-gallery runs a page again when its own text has changed; a change of the library that breaks a page
    would be seen by the next person with a clean checkout alone.
    """
    pages = Path(app.srcdir) / "auto_examples"
    stamp = pages / STAMP
    now = _fingerprint()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == now:
        return
    for checksum in pages.glob("*.py.md5"):
        checksum.unlink()
    pages.mkdir(exist_ok=True)
    stamp.write_text(now, encoding="utf-8")


def _fingerprint() -> str:
    digest = hashlib.sha256()
    sources = [*(DOCS.parent / "napari_shapereg").rglob("*.py"), DOCS / "conf.py", Path(__file__)]
    for source in sorted(sources):
        if "plugin" not in source.parts:
            digest.update(source.read_bytes())
    return digest.hexdigest()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    # Before sphinx-gallery, whose own listener to this event comes at the priority of 10.
    app.connect("config-inited", forget_old_pages, priority=5)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
