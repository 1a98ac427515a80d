"""`shapereg demo`: register the knees that travel with the package, and show what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_shapereg.cli.options import Preset, Quiet
from napari_shapereg.cli.progress import display_for
from napari_shapereg.cli.run import Output, aborting, can_report, print_outcome, run
from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from napari_shapereg.registration import RegistrationResult

PICTURE = "before_and_after.png"
_MARK = "metrics.json"


def demo(
    folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write into.")
    ] = Path("demo_output"),
    preset: Annotated[Preset, typer.Option(help="How fine the map is.")] = Preset.FAST,
    quiet: Quiet = False,
) -> None:
    """Register two sample knees, and show the agreement before and after.

    The volumes travel with the package. Writes what `shapereg register` writes, and a picture of both knees
    before and after in three planes. What an earlier demo wrote is replaced.
    """
    _require_own(folder)
    with aborting(), display_for(quiet=quiet) as display:
        display.say("starting")
        from napari_shapereg.registration import RegistrationSettings
        from napari_shapereg.volumes import sample_pair

        moving, fixed = sample_pair("knees")
        settings = RegistrationSettings.preset(preset.value)
        pictures = can_report(quiet=quiet)
        outcome = run(moving, fixed, settings, Output(folder, overwrite=True, report=pictures), display)
        if pictures:
            display.say("drawing")
            outcome.files.append(_draw(outcome.result, folder / PICTURE))
    print_outcome(outcome, json=False, quiet=quiet)
    raise typer.Exit(outcome.exit_code)


def _require_own(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise InputError(f"{folder}: this folder is not empty and no demo wrote it; give another with -o")


def _draw(result: RegistrationResult, path: Path) -> Path:
    from napari_shapereg.quality.report import write_comparison_picture

    return write_comparison_picture(path, result.fixed, result.moving, result.warped)
