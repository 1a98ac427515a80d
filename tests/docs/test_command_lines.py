"""Every `shapereg` line that the documentation shows names commands and options that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from napari_shapereg.cli.application import application

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"^(?:\$ |    )(shapereg .*?)(?:\s{2,}#.*)?$", re.MULTILINE)


def shown():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        pytest.param(line, id=f"{page.name}: {line}")
        for page in pages
        for line in LINE.findall(page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("line", shown())
def test_can_be_typed(line):
    _, name, *arguments = shlex.split(line)
    command = typer.main.get_command(application).commands[name]
    # Names and values are checked here; whether files exist is the command's own affair.
    command.make_context(name, list(arguments))


def test_lines_are_found():
    assert len(shown()) >= 10
