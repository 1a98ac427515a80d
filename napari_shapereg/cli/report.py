"""`shapereg report`: the report of a registration, written again from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_shapereg.cli.options import require_place
from napari_shapereg.errors import InputError


def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that `register` wrote.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The .html or .pdf file. Default: report.html in the folder.",
            show_default=False,
        ),
    ] = None,
    *,
    moving: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The moving volume, if it has been moved.", show_default=False),
    ] = None,
    fixed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The fixed volume, if it has been moved.", show_default=False),
    ] = None,
) -> None:
    """Write the report of a registration again, from its folder and the two volumes.

    One self-contained file, HTML or PDF by its ending: the agreement before and after, pictures in three
    planes, the regularity of the map, the costs of the run, settings and versions. The volumes are those that
    the folder names, and they are checked to be the ones that were registered.
    """
    target = output or folder / "report.html"
    if target.suffix.lower() not in (".html", ".pdf"):
        ending = target.suffix or "no ending"
        raise InputError(f"{target}: the report is an .html or a .pdf file, got {ending!r}")
    require_place(target)

    from napari_shapereg.registration import read_result

    read_result(folder, moving, fixed).write_report(target)
    typer.echo(f"wrote {target}")
