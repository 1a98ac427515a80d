"""The report as PDF, read back with another library."""

from __future__ import annotations

import html
import re
import sys

import numpy as np
import pypdf
import pytest

from napari_shapereg.errors import MissingExtraError
from napari_shapereg.quality import Metrics, inverse_consistency, label_agreement, regularity
from napari_shapereg.quality.report import (
    ReportedMap,
    draw_histogram,
    draw_labels,
    draw_map,
    report_page,
    write_page,
)
from napari_shapereg.quality.report_blocks import Picture, blocks_of
from napari_shapereg.quality.report_pdf import page_as_pdf
from napari_shapereg.transforms import affine_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume

ODD = "<b>Knie</b> {nb} **fett** (\\) Ünïcode α ☃"


@pytest.fixture(scope="module")
def content():
    grid = ImageGrid((50, 40, 21), (0.8, 1.0, 1.9), (-9.6, -39.5, 11.0))
    data = np.zeros(grid.shape, np.uint8)
    data[4:17, 8:33, 9:41] = 5
    data[7:14, 14:27, 16:34] = 2
    fixed, warped = LabelVolume(data, grid, names={2: ODD}), LabelVolume(np.roll(data, 1, axis=2), grid)
    affine = affine_transform(np.diag([1.1, 0.9, 0.95]), np.array([3.0, -2.0, 1.0]))
    metrics = Metrics(
        before=label_agreement(fixed, warped),
        after=label_agreement(fixed, fixed),
        regularity=regularity(affine, fixed.grid),
        inverse_consistency=inverse_consistency(affine, affine.GetInverse(), fixed),
        names=fixed.names,
        moving_volumes={2: 1234.0},
    )
    return {
        "title": f"{ODD} registered",
        "fixed": fixed,
        "moving": warped,
        "after": warped,
        "metrics": metrics.to_dict(),
        "settings": {f"setting {number}": ODD for number in range(80)},
        "history": [("affine", 0, 4.0), ("affine", 1, 2.0)],
        "provenance": {"moving": {"hash": "0123456789abcdef" * 4}, "device": "cpu"},
        "warnings": ["Label 2 grew by 31 % in volume.", ODD * 12],
        "matrix": np.eye(3),
        "pictures": draw_labels(fixed, warped, warped)
        | draw_map(fixed, ReportedMap(affine, np.ones_like))
        | draw_histogram(metrics.regularity),
    }


@pytest.fixture(scope="module")
def written(content, tmp_path_factory):
    """The report as HTML and as PDF."""
    folder = tmp_path_factory.mktemp("report")
    page = report_page(**content)
    return [write_page(page, folder / name) for name in ("report.html", "report.pdf")]


def words(text):
    """Without any space: a PDF states where letters lie, and lines are broken anywhere."""
    return "".join(text.split())


def read(path):
    file = pypdf.PdfReader(path)
    return file, words(" ".join(page.extract_text() for page in file.pages).replace("•", ""))


def footers(pages):
    return [words(f"Research use only · page {number + 1}") for number in range(pages)]


def test_it_says_all_that_the_page_says(written):
    page, (file, text) = written[0].read_text("utf-8"), read(written[1])
    assert len(file.pages) >= 5
    for footer in footers(len(file.pages)):
        assert footer in text
        text = text.replace(footer, "", 1)
    for line in visible(page):
        assert words(line) in text, line
    assert text.count(words(ODD)) == 1 + 12 + 80 + 2  # title, warning, settings, two tables


def visible(page):
    """Return the words between the tags of a page, but for the buttons of pictures that take turns."""
    body = re.sub(r"<label for=.*?</label>", "", page.partition("<body>")[2])
    return [html.unescape(text) for text in re.split(r"<[^>]*>", body) if text.strip()]


def test_it_holds_every_picture_once_and_in_order(written):
    page, (file, _) = written[0].read_text("utf-8"), read(written[1])
    pictures = [block for block in blocks_of(page) if isinstance(block, Picture)]
    shown = [image.image.size for page in file.pages for image in page.images]
    sizes = [tuple(int.from_bytes(p.data[k : k + 4], "big") for k in (16, 20)) for p in pictures]
    assert shown == sizes
    assert len(shown) == 10


def test_nothing_reaches_over_the_edge_of_a_page(written):
    file, _ = read(written[1])
    for page in file.pages:
        places = []
        page.extract_text(
            visitor_text=lambda text, _, matrix, *__, found=places: found.append((text.strip(), *matrix[4:6]))
        )
        for text, x, y in places:
            assert not text or (40 < x < 555 and 20 < y < 822), text


def test_the_same_report_has_the_same_bytes_and_starts_nothing(written, tmp_path, content):
    first = written[1].read_bytes()
    assert first == write_page(report_page(**content), tmp_path / "again.pdf").read_bytes()
    for action in (b"/JavaScript", b"/JS", b"/Launch", b"/URI", b"/EmbeddedFile"):
        assert action not in first
    assert pypdf.PdfReader(written[1]).metadata.title == content["title"]


def test_letters_that_the_font_lacks_do_not_stop_it(tmp_path):
    page = "<html><body><h1>膝 \x00\x1b knee</h1></body></html>"
    (tmp_path / "report.pdf").write_bytes(page_as_pdf(page, "膝 \x00\x1b"))
    assert "knee" in read(tmp_path / "report.pdf")[1]


def test_without_fpdf2_the_extra_is_named(tmp_path, content, monkeypatch):
    monkeypatch.setitem(sys.modules, "fpdf", None)
    with pytest.raises(MissingExtraError, match=r"fpdf2.*napari-shapereg\[report\]"):
        write_page(report_page(**content), tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []
