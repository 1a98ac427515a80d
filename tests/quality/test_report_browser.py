"""The report as Chromium shows it: nothing is blocked, pictures take turns, and all of it is printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import unicodedata

import numpy as np
import pypdf
import pytest
from matplotlib import image

from napari_shapereg.quality import Metrics, inverse_consistency, label_agreement, regularity
from napari_shapereg.quality.report import (
    ReportedMap,
    draw_histogram,
    draw_labels,
    draw_map,
    report_page,
    write_page,
)
from napari_shapereg.quality.report_blocks import Line, Picture, Table, blocks_of
from napari_shapereg.transforms import affine_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    grid = ImageGrid((50, 40, 21), (0.8, 1.0, 1.9), (-9.6, -39.5, 11.0))
    data = np.zeros(grid.shape, np.uint8)
    data[4:17, 8:33, 9:41] = 5
    data[7:14, 14:27, 16:34] = 2
    fixed, moving = LabelVolume(data, grid), LabelVolume(np.roll(data, 6, axis=2), grid)
    affine = affine_transform(np.diag([1.1, 0.9, 0.95]), np.array([3.0, -2.0, 1.0]))
    metrics = Metrics(
        before=label_agreement(fixed, moving),
        after=label_agreement(fixed, fixed),
        regularity=regularity(affine, grid),
        inverse_consistency=inverse_consistency(affine, affine.GetInverse(), fixed),
    )
    page = report_page(
        title="A knee <b>& another</b>",
        fixed=fixed,
        moving=moving,
        after=fixed,
        metrics=metrics.to_dict(),
        settings={"preset": "fast"},
        history=[("affine", 0, 4.0), ("affine", 1, 2.0)],
        provenance={"device": "cpu"},
        warnings=["Label 2 grew by 31 % in volume."],
        matrix=np.eye(3),
        pictures=draw_labels(fixed, moving, fixed)
        | draw_map(fixed, ReportedMap(affine, np.ones_like))
        | draw_histogram(metrics.regularity),
    )
    return write_page(page, tmp_path_factory.mktemp("browser") / "report.html")


def browse(report, *words):
    """Open the report, with an empty profile beside it, and return what the browser says and prints."""
    options = [f"--user-data-dir={report.parent / 'profile'}", "--window-size=1000,9000", *words]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # which Chromium refuses to set up for the super-user
    fixed = ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]
    run = subprocess.run(
        [BROWSER, *fixed, *options, report.as_uri()], check=True, capture_output=True, text=True, timeout=120
    )
    assert not re.findall(r"CONSOLE.*", run.stderr)
    return run.stdout


def stopped_at(report, seconds):
    """A copy whose turns stand still at a moment, since a busy browser is late for any clock."""
    still = f".second {{ animation-delay: -{seconds}s !important; animation-play-state: paused !important; }}"
    copy = report.with_name(f"stopped_at_{seconds}.html")
    copy.write_text(report.read_text("utf-8").replace("</style>", f"{still}</style>", 1), "utf-8")
    return copy


def test_pictures_are_shown_and_take_turns(report):
    frames = []
    for seconds in (0.5, 1.5):
        place = report.parent / f"at_{seconds}.png"
        browse(stopped_at(report, seconds), f"--screenshot={place}")
        frames.append(image.imread(place)[..., :3])
    first, second = frames
    assert first.shape == second.shape == (9000, 1000, 3)
    # The words and the pictures: white alone would be a page whose pictures its own policy has blocked.
    assert (first.min(axis=-1) < 0.9).mean() > 0.05
    changed = np.flatnonzero((first != second).any(axis=(1, 2)))
    assert len(changed) > 100
    rows = np.split(changed, np.flatnonzero(np.diff(changed) > 60) + 1)
    assert len(rows) >= 2
    # And nothing else moves on the page.
    assert changed[-1] - changed[0] < 1200


def letters(text):
    """Without spaces and ligatures, of which a print has its own."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def test_what_is_printed_is_all_that_is_read(report):
    place = report.parent / "printed.pdf"
    browse(report, f"--print-to-pdf={place}", "--no-pdf-header-footer")
    file = pypdf.PdfReader(place)
    text = letters("".join(page.extract_text() for page in file.pages))
    blocks = blocks_of(report.read_text("utf-8"))
    for block in blocks:
        cells = [cell.text for row in block.rows for cell in row] if isinstance(block, Table) else []
        for sentence in [block.text] if isinstance(block, Line) else cells:
            assert letters(sentence) in text, sentence
    shown = sum(len(page.images) for page in file.pages)
    assert shown == sum(isinstance(block, Picture) for block in blocks)
