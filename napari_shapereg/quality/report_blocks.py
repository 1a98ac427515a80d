"""The report's page taken apart: headings, sentences, tables and pictures, in the order of reading."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = ("meta", "img", "input", "br")
_UNREAD = ("style", "title", "button")
_LINES = ("h1", "h2", "p", "li", "figcaption")


@dataclass(frozen=True)
class Line:
    """Words in one style: ``h1``, ``h2``, ``p``, ``li``, ``figcaption``, ``use``, ``note`` or ``blank``.

    After those of ``blank`` a reader writes something.
    """

    style: str
    text: str


@dataclass(frozen=True)
class Picture:
    """A PNG and the words that stand for it."""

    data: bytes
    words: str


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    strong: bool
    columns: int
    rows: int


@dataclass(frozen=True)
class Table:
    """Rows of cells; a plain one has names on the left and text on the right, the others hold numbers."""

    plain: bool
    rows: list[list[Cell]] = field(default_factory=list)


@dataclass(frozen=True)
class Space:
    """Room for the reviewer to write in."""


Block = Line | Picture | Table | Space


def blocks_of(page: str) -> list[Block]:
    """Take a page apart.

    Parameters
    ----------
    page : str
        What ``report.html.j2`` renders to.

    Returns
    -------
    list of Block
        All that can be read on it; not the buttons of pictures that are shown in turn.
    """
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.blocks


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[Block] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self._words: list[str] = []
        self._table = Table(plain=True)
        self._strong = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "img":
            self.blocks.append(Picture(base64.b64decode(given["src"].partition(",")[2]), given["alt"]))
        elif tag == "textarea":
            self.blocks.append(Space())
        elif tag == "table":
            self._table = Table(plain=given.get("class") == "plain")
            self.blocks.append(self._table)
        elif tag == "tr":
            self._table.rows.append([])
        if tag in (*_LINES, "th", "td", "label"):
            self._words, self._strong = [], False
        self._strong |= tag == "strong"
        if tag not in _VOID:
            self._open.append((tag, given))

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1][0] not in _UNREAD:
            self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        _, given = self._open.pop()
        text = " ".join("".join(self._words).split())
        if tag in ("th", "td"):
            spans = (int(given.get(name, 1)) for name in ("colspan", "rowspan"))
            self._table.rows[-1].append(Cell(text, tag == "th" or self._strong, *spans))
        elif tag in _LINES:
            style = given.get("class", tag)
            self.blocks.append(Line(style, text))
        elif tag == "label" and "for" not in given:
            self.blocks.append(Line("blank", text))
