"""The program `shapereg`: its commands, and how it ends."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, TextIO

import typer

from napari_shapereg import __version__
from napari_shapereg.cli.convert import convert
from napari_shapereg.cli.demo import demo
from napari_shapereg.cli.doctor import doctor
from napari_shapereg.cli.evaluate import evaluate
from napari_shapereg.cli.gradient import gradient
from napari_shapereg.cli.register import register
from napari_shapereg.cli.report import report
from napari_shapereg.cli.warp import warp
from napari_shapereg.errors import ShapeRegError

BAD_INPUT = 2
UNEXPECTED = 1

application = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command in (register, gradient, warp, convert, evaluate, report, demo, doctor):
    application.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"shapereg {__version__}")
        raise typer.Exit


@application.callback()
def _options_of_the_program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show where an error comes from. So does the variable SHAPEREG_DEBUG."),
    ] = False,
) -> None:
    """Register segmented volumes, and use, inspect and judge the transforms.

    Exit codes: 0 done; 2 bad input or usage, nothing was written; 3 the registration diverged, the best state
    was written; 130 cancelled by Ctrl-C.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process if not given.

    Raises
    ------
    SystemExit
        Always, with the exit code.
    """
    if arguments is None:
        # Most of what is imported lives as long as the process, and goes with it.
        gc.set_threshold(50_000, 20, 20)
        atexit.register(gc.freeze)
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or bool(os.environ.get("SHAPEREG_DEBUG"))
    try:
        with _short_warnings():
            # Taken out, so that it may stand before or after the name of the command.
            application(args=[word for word in given if word != "--debug"], prog_name="shapereg")
    except ShapeRegError as error:
        _end(f"error: {error}", BAD_INPUT, debug)
    except Exception as error:  # noqa: BLE001 - a traceback helps nobody who did not ask for it
        _end(_explained(error), UNEXPECTED, debug)


def _end(message: str, code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    typer.echo(message, err=True)
    sys.exit(code)


def _explained(error: Exception) -> str:
    return (
        f"error: unexpected {type(error).__name__}: {error}\n"
        "This is a fault of shapereg. Please report it with the command, what `shapereg doctor` prints, and "
        "what the same command prints with --debug."
    )


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Print warnings meant for users in one line each; others only where Python is told to."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if category is UserWarning:
                typer.echo(f"warning: {message}", err=True)
            elif sys.warnoptions:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield
