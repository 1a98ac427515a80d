"""The report's page as a PDF file: its words, tables and pictures laid out on A4.

fpdf2 draws it with DejaVu Sans, which matplotlib brings along, so that it takes Python packages alone.
WeasyPrint and browsers know all of CSS, but need libraries of the system that Windows and macOS lack.
"""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_shapereg.errors import MissingExtraError
from napari_shapereg.quality.report_blocks import Line, Picture, Space, Table, blocks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fpdf import FPDF

    from napari_shapereg.quality.report_blocks import Block

_FONT = "DejaVu"
_MARGIN, _WIDTH, _BOTTOM = 15.0, 180.0, 280.0
"""Of an A4 page, mm."""
_COMMENT = 60.0
"""Height of the room for a comment, mm."""
_MOST_OF_A_PAGE = 225.0
_STYLES = {
    "h1": (16, "B"),
    "h2": (12, "B"),
    "use": (10, "B"),
    "p": (9, ""),
    "li": (9, ""),
    "blank": (9, ""),
    "note": (7.5, ""),
    "figcaption": (7.5, ""),
}
"""Size in points, and weight, of each kind of line."""


def page_as_pdf(page: str, title: str) -> bytes:
    """Lay out a report.

    Parameters
    ----------
    page : str
        What ``report.html.j2`` renders to.
    title : str
        Of the file.

    Returns
    -------
    bytes
        The same for the same page: it is dated 1970.

    Raises
    ------
    MissingExtraError
        fpdf2 is not installed.
    """
    blocks = blocks_of(page)
    pdf = _new_file(title)
    for number, block in enumerate(blocks):
        if isinstance(block, Line) and block.style == "h2":
            _keep_together(pdf, 26 + _height(blocks[number + 1 : number + 2]))
        elif isinstance(block, Picture):
            _keep_together(pdf, _height(blocks[number : number + 1]) + 10)
        _lay(pdf, block)
    return bytes(pdf.output())


def _new_file(title: str) -> FPDF:
    try:
        import matplotlib as mpl
        from fpdf import FPDF
    except ImportError as error:
        raise MissingExtraError(
            "a PDF needs fpdf2, which is not installed: pip install 'napari-shapereg[report]'"
        ) from error

    class File(FPDF):
        def footer(self) -> None:
            self.set_y(-11)
            self.set_font(_FONT, size=7)
            self.cell(0, 5, f"Research use only · page {self.page_no()}", align="R")

    pdf = File(format="A4")
    pdf.set_creation_date(datetime(1970, 1, 1, tzinfo=UTC))  # the same page, the same bytes
    pdf.set_title(title)
    pdf.set_lang("en")
    pdf.alias_nb_pages("")  # else "{nb}" in a file's name would become the number of pages
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    pdf.add_font(_FONT, "", fonts / "DejaVuSans.ttf")
    pdf.add_font(_FONT, "B", fonts / "DejaVuSans-Bold.ttf")
    pdf.set_margins(_MARGIN, _MARGIN)
    pdf.set_auto_page_break(True, margin=297 - _BOTTOM)
    pdf.add_page()
    return pdf


def _keep_together(pdf: FPDF, height: float) -> None:
    if pdf.get_y() + height > _BOTTOM:
        pdf.add_page()


def _size(picture: Picture) -> tuple[float, float]:
    """Return the width and height of a picture on the page, mm."""
    across, down = struct.unpack(">II", picture.data[16:24])
    width = min(_WIDTH, _MOST_OF_A_PAGE * across / down)
    return width, width * down / across


def _height(blocks: Sequence[Block]) -> float:
    """Return about how much room the first of some blocks takes, mm: of a table, its first rows."""
    if not blocks:
        return 0.0
    if isinstance(blocks[0], Picture):
        return _size(blocks[0])[1]
    return _COMMENT + 15 if isinstance(blocks[0], Space) else 20.0


def _lay(pdf: FPDF, block: Block) -> None:
    if isinstance(block, Line):
        _lay_line(pdf, block)
    elif isinstance(block, Table):
        _lay_table(pdf, block)
    elif isinstance(block, Picture):
        width, height = _size(block)
        pdf.image(io.BytesIO(block.data), w=width, h=height, alt_text=block.words)
        pdf.set_y(pdf.get_y() + 2)
    else:
        pdf.rect(_MARGIN, pdf.get_y(), _WIDTH, _COMMENT)
        pdf.set_y(pdf.get_y() + _COMMENT + 6)


def _lay_line(pdf: FPDF, line: Line) -> None:
    size, weight = _STYLES[line.style]
    pdf.set_font(_FONT, weight, size)
    text = f"•  {line.text}" if line.style == "li" else line.text
    if line.style == "h2":
        pdf.set_y(pdf.get_y() + 5)
    pdf.multi_cell(
        _WIDTH,
        size * 0.5,
        text,
        border="LTRB" if line.style == "use" else 0,
        align="L",
        new_x="LMARGIN",
        new_y="NEXT",
    )
    if line.style == "h2":
        pdf.line(_MARGIN, pdf.get_y(), _MARGIN + _WIDTH, pdf.get_y())
    if line.style == "blank":
        pdf.line(_MARGIN + 20, pdf.get_y(), _MARGIN + 100, pdf.get_y())
    pdf.set_y(pdf.get_y() + 2)


def _lay_table(pdf: FPDF, table: Table) -> None:
    from fpdf.fonts import FontFace

    columns = max(sum(cell.columns for cell in row) for row in table.rows)
    widths = (0.3, 0.7) if table.plain else (1.6, *([1.0] * (columns - 1)))
    heads = 0 if table.plain else sum(all(cell.strong for cell in row) for row in table.rows)
    pdf.set_font(_FONT, "", 7.5)
    with pdf.table(
        width=_WIDTH,
        col_widths=widths,
        text_align="LEFT" if table.plain else ("LEFT", *(["RIGHT"] * (columns - 1))),
        borders_layout="HORIZONTAL_LINES",
        first_row_as_headings=bool(heads),
        num_heading_rows=heads,
        line_height=4.2,
        padding=0.6,
    ) as laid:
        for cells in table.rows:
            row = laid.row()
            for cell in cells:
                bold = FontFace(emphasis="B" if cell.strong and not table.plain else "")
                row.cell(cell.text, colspan=cell.columns, rowspan=cell.rows, style=bold)
    pdf.set_y(pdf.get_y() + 2)
