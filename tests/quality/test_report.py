from __future__ import annotations

import base64
import errno
import io
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from napari_shapereg.errors import InputError, MissingExtraError
from napari_shapereg.quality import Metrics, inverse_consistency, label_agreement, regularity, report
from napari_shapereg.quality.flicker import before_and_after, fixed_and_warped
from napari_shapereg.quality.panels import new_figure, to_png
from napari_shapereg.quality.plots import cost_plot
from napari_shapereg.quality.report import (
    Page,
    ReportedMap,
    draw_histogram,
    draw_labels,
    draw_map,
    report_page,
    write_page,
)
from napari_shapereg.transforms import transform_points
from napari_shapereg.volumes import ImageGrid, LabelVolume

EVIL = "<script>alert('x')</script>\"><img src=http://example.org/x>"
VOID = {"meta", "img", "input", "br"}


class Parsed(HTMLParser):
    """Collect tags, attributes and text, and notice what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.words = [], [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture
def content(fixed, warped, smooth_map, affine):
    fixed = LabelVolume(fixed.data, fixed.grid, names={2: EVIL})
    metrics = Metrics(
        before=label_agreement(fixed, warped),
        after=label_agreement(fixed, fixed),
        regularity=regularity(smooth_map, fixed.grid),
        inverse_consistency=inverse_consistency(affine, affine.GetInverse(), fixed),
        names=fixed.names,
        moving_volumes={2: 1234.0},
    )
    mapping = ReportedMap(smooth_map, lambda points: transform_points(smooth_map, points) - points)
    return {
        "title": f"A knee {EVIL}",
        "fixed": fixed,
        "moving": warped,
        "after": fixed,
        "metrics": metrics.to_dict(),
        "settings": {"preset": "balanced", "blur": [2.0, 1.0], "flow": {"note": EVIL, "limit": None}},
        "history": [("affine", 0, 4.0), ("affine", 1, 2.0), ("flow", 0, 9.0), ("flow", 1, 3.0)],
        "provenance": {"moving": {"file": EVIL}, "device": "cpu"},
        "warnings": ["Label 2 grew by 31 % in volume.", EVIL],
        "matrix": np.eye(3),
        "mapping": mapping,
        "regularity": metrics.regularity,
    }


@pytest.fixture
def grid():
    """One grid is enough for words: every direction is drawn by the tests of the pictures."""
    return ImageGrid((50, 40, 21), (0.8, 1.0, 1.9), (-9.6, -39.5, 11.0))


@pytest.fixture
def undrawn(monkeypatch):
    """Spare tests of the words the drawing of pictures."""
    dot = new_figure(0.1, 0.1)
    dot.text(0.5, 0.5, ".")
    png = to_png(dot)
    for name in ("mosaic", "displacement", "jacobian_map", "worst_points"):
        monkeypatch.setattr(report, f"{name}_picture", lambda *_: png)
    for name in ("before_and_after", "fixed_and_warped"):
        monkeypatch.setattr(report, name, lambda *_: (png, png))


def page_of(content):
    """Lay out a report as a registration does."""
    given = dict(content)
    mapping, regularity = given.pop("mapping"), given.pop("regularity")
    pictures = draw_labels(given["fixed"], given["moving"], given["after"])
    if mapping:
        pictures |= draw_map(given["fixed"], mapping) | draw_histogram(regularity)
    return report_page(**given, pictures=pictures)


def read(path):
    return Parsed(Path(path).read_text("utf-8"))


def test_the_page_says_what_was_measured(tmp_path, content, undrawn):
    page = read(write_page(page_of(content), tmp_path / "report.html"))
    assert page.open == []
    row = content["metrics"]["labels"]["5"]
    for value in (
        "Research use only",
        f"{row['before']['dice']:.3f}",
        f"{row['before']['hd95']:.2f}",
        f"{row['after']['fixed_volume']:.0f}",
        "1234",
        f"{content['metrics']['jacobian']['minimum']:.3f}",
        f"{content['metrics']['inverse_consistency']['voxels']} labelled voxels",
        "Label 2 grew by 31 % in volume.",
        "flow · limit —",
        "blur 2.0, 1.0",
        "device cpu",
        "Reviewer\u2019s comment",
    ):
        assert value in page.text, value
    assert "textarea" in page.tags


def test_whatever_the_user_supplies_is_text(tmp_path, content, undrawn):
    path = write_page(page_of(content), tmp_path / "report.html")
    page = read(path)
    assert "script" not in page.tags
    # Title (twice: in the head and on the page), label (twice), warning, setting, provenance.
    assert page.text.count("<script>alert('x')</script>") == 7
    assert "<script" not in path.read_text("utf-8")


def test_the_page_stands_alone(tmp_path, content):
    page = read(write_page(page_of(content), tmp_path / "report.html"))
    sources = [
        value for tag, name, value in page.attributes if name in ("src", "href", "srcset", "action", "data")
    ]
    assert len(sources) == 10
    for source in sources:
        kind, _, data = source.partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
    policies = [value for _, name, value in page.attributes if name == "content" and "default-src" in value]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    images = [tag for tag, name, value in page.attributes if (tag, name) == ("img", "alt") and value]
    assert len(images) == 10


def test_a_report_without_a_map_and_without_warnings(tmp_path, content, undrawn):
    content["metrics"] = {**content["metrics"], "jacobian": None, "inverse_consistency": None}
    content["metrics"]["labels"]["2"]["after"] = None
    page = read(
        write_page(
            page_of({**content, "warnings": [], "history": [], "mapping": None, "matrix": None}),
            tmp_path / "report.html",
        )
    )
    assert "No automatic warning" in page.text
    assert "The map was not measured" in page.text
    assert "Convergence" not in page.text
    assert page.tags.count("img") == 6


def test_the_same_content_gives_the_same_page(content):
    assert page_of(content) == page_of(content)


def test_costs_of_any_sign_and_size_are_drawn():
    history = [("a", 0, 0.0), ("a", 1, -1.0), ("b", 0, -5.0), ("b", 1, 1e9), ("a", 0, 3.0)]
    assert cost_plot(history).startswith(b"\x89PNG")


def test_a_name_of_any_bytes_is_written_out(tmp_path, content, undrawn):
    content["title"] = "knee \udcff.nii"  # how Python holds a byte of a file's name that is no UTF-8
    for name in ("report.html", "report.pdf"):
        assert write_page(page_of(content), tmp_path / name).stat().st_size
    assert "knee \\udcff.nii" in read(tmp_path / "report.html").text


def test_pictures_shown_in_turn_are_of_one_size_and_differ(fixed, warped):
    for first, second in (before_and_after(fixed, warped, fixed), fixed_and_warped(fixed, warped)):
        one, other = (imread(io.BytesIO(png), format="png") for png in (first, second))
        assert one.shape == other.shape
        assert (one != other).any(axis=-1).sum() > 500


def test_an_interrupted_report_leaves_nothing(tmp_path, content, undrawn, monkeypatch):
    def fill_the_disk(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(InputError, match=r"report\.html: cannot be written \(No space left on device\)"):
        write_page(page_of(content), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_without_jinja2_the_extra_is_named(tmp_path, content, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"napari-shapereg\[report\]"):
        write_page(page_of(content), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_volumes_on_other_grids_are_refused(tmp_path, content):
    content["after"] = LabelVolume(
        np.ones((2, 2, 2), np.uint8), content["fixed"].grid.cropped((0, 0, 0), (2, 2, 2))
    )
    with pytest.raises(InputError, match="different grids"):
        page_of(content)


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"report\.txt: the ending '\.txt' is unknown; use one of \.html, \.pdf"
    ):
        write_page(Page("A knee", "<html></html>"), tmp_path / "report.txt")
