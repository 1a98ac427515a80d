"""What the commands print on standard output: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as plain text, as wide as it needs, with numbers flush right."""
    cells = [columns, *rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    lines = ["  ".join(map(_aligned, row, widths, range(len(row)))).rstrip() for row in cells]
    typer.echo("\n".join([lines[0], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]]))


def _aligned(cell: str, width: int, place: int) -> str:
    return cell.rjust(width) if place else cell.ljust(width)


def print_json(content: object) -> None:
    """Print one JSON object; numbers that JSON does not know become null."""
    typer.echo(json.dumps(_finite(content), indent=2))


def print_files(files: Iterable[Path]) -> None:
    """Print where files were written."""
    for file in files:
        typer.echo(f"wrote {file}")


def number(value: float | None, digits: int) -> str:
    """Return a number with so many decimals, and a dash for none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _finite(content: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(content, dict):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
