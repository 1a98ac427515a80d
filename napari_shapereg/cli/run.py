"""Run a registration in front of somebody: show its progress, obey Ctrl-C, write what comes out."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer

from napari_shapereg.cli.agreement import print_agreement
from napari_shapereg.cli.interruption import Interruption
from napari_shapereg.cli.options import naming_both
from napari_shapereg.cli.progress import clock
from napari_shapereg.cli.tables import print_files, print_json
from napari_shapereg.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import SimpleITK as sitk

    from napari_shapereg.cli.progress import Display
    from napari_shapereg.registration import RegistrationResult, RegistrationSettings
    from napari_shapereg.registration.landmarks import Landmarks
    from napari_shapereg.volumes import LabelVolume

DIVERGED = 3
CANCELLED = 130


@dataclass(frozen=True)
class Output:
    """What is written, and where.

    Parameters
    ----------
    folder : Path
    overwrite : bool
        A folder that is not empty may be written into.
    report, pdf, displacement, jacobian : bool
        The optional files.
    """

    folder: Path
    overwrite: bool = False
    report: bool = True
    pdf: bool = False
    displacement: bool = False
    jacobian: bool = False


@dataclass(frozen=True)
class Given:
    """What a registration starts from beside its volumes.

    Parameters
    ----------
    initial : sequence of SimpleITK.Transform, optional
        From fixed to moving points.
    landmarks : (moving, fixed), optional
        (K, 3) points each, LPS mm.
    """

    initial: Sequence[sitk.Transform] | None = None
    landmarks: Landmarks | None = None


NOTHING = Given()


@dataclass(frozen=True)
class Outcome:
    """A finished or cancelled run and the files that it left."""

    result: RegistrationResult
    files: list[Path]
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """How the program should end."""
        from napari_shapereg.registration import Status

        if self.interrupted:
            return CANCELLED
        return DIVERGED if self.result.status is Status.DIVERGED else 0


def run(
    moving: LabelVolume,
    fixed: LabelVolume,
    settings: RegistrationSettings,
    output: Output,
    display: Display,
    given: Given = NOTHING,
) -> Outcome:
    """Register, and write the result.

    The first Ctrl-C ends the run, if need be in the middle of a step; the best state so far is written. The
    second one ends everything.

    Raises
    ------
    KeyboardInterrupt
        At the second Ctrl-C, or at one before the first step; nothing is written.
    InputError, EngineError
        See `napari_shapereg.register` and `RegistrationResult.save`.
    """
    from napari_shapereg.registration import Registration

    display.say("preparing")
    with naming_both(moving.source, fixed.source):
        registration = Registration(moving, fixed, settings, given.initial, given.landmarks)
    with Interruption(registration.cancel) as interruption:
        for state in registration:
            display.show(state)
        result = registration.result()
        if interruption.asked and not result.history:
            # Nothing was moved yet: there is no state to write.
            raise KeyboardInterrupt
        if interruption.asked:
            display.say("stopped: writing the best state (Ctrl-C: abort)")
        else:
            display.say("measuring and writing")
        saved = result.save(
            output.folder,
            overwrite=output.overwrite,
            report=output.report,
            pdf=output.pdf,
            displacement=output.displacement,
            jacobian=output.jacobian,
        )
    # Named as the user named the folder.
    return Outcome(result, [output.folder / file.name for file in saved], interruption.asked)


def can_report(*, quiet: bool) -> bool:
    """Return whether the extra that the report needs is installed; say so where it is not."""
    if all(find_spec(name) for name in ("matplotlib", "jinja2")):
        return True
    if not quiet:
        typer.echo(
            "note: no report and no pictures: pip install 'napari-shapereg[report]'",
            err=True,
        )
    return False


def require_pdf() -> None:
    """Refuse to start what would end without the PDF that is asked for.

    Raises
    ------
    MissingExtraError
        The extra that it needs is not installed.
    """
    if not all(find_spec(name) for name in ("matplotlib", "jinja2", "fpdf")):
        raise MissingExtraError(
            "--pdf needs matplotlib, Jinja2 and fpdf2, which are not all installed: "
            "pip install 'napari-shapereg[report]'"
        )


@contextmanager
def aborting() -> Iterator[None]:
    """End the program when Ctrl-C breaks into the block, which leaves nothing behind."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("aborted: nothing was written", err=True)
        raise typer.Exit(CANCELLED) from None


def print_outcome(outcome: Outcome, *, json: bool, quiet: bool) -> None:
    """Print what came out, as the options ask."""
    result = outcome.result
    if json:
        print_json({**result.metrics, "files": {file.name: str(file) for file in outcome.files}})
    elif not quiet:
        print_agreement(result.metrics)
        typer.echo(f"{result.status.value} {len(result.history)} steps in {clock(result.seconds)}.")
        print_files(outcome.files)
