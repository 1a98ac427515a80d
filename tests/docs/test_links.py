"""Every relative link of the pages leads to a file, and to a heading of it where it names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
GALLERY = ROOT / "docs" / "auto_examples"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page):
    """Return the names that GitHub and MyST give to the headings of a page."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def source(target):
    """Return where a page or a picture comes from: those of the gallery are made from its scripts."""
    if GALLERY not in target.parents:
        return target
    if picture := re.fullmatch(r"sphx_glr_(plot_\w+)_\d{3}\.png", target.name):
        return ROOT / "docs" / "gallery" / f"{picture[1]}.py"
    if target.stem == "index":
        return ROOT / "docs" / "gallery" / "GALLERY_HEADER.rst"
    return ROOT / "docs" / "gallery" / f"{target.stem}.py"


def broken(page):
    """Return the links of a page that lead nowhere."""
    links = LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    for link in (link for link in links if not re.match(r"\w+:", link)):
        place, _, anchor = link.partition("#")
        target = source((page.parent / place).resolve()) if place else page
        made_by_the_build = "screenshots" in target.parts
        if not (target.exists() or made_by_the_build) or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    assert not list(broken(page))


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Some heading\n[a](page.md#some-heading) [b](#other) [c](none.md) [d](https://x.org)\n")
    assert list(broken(page)) == ["#other", "none.md"]
