"""What a running registration shows on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

import typer

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from napari_shapereg.registration import RegistrationState

QUIET_SECONDS = 3.0
"""Between two plain lines of one level."""
_ENOUGH_TO_TELL = 0.03


class Display(Protocol):
    """Something that shows how far the work is, for as long as it is entered."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        ...

    def say(self, text: str) -> None:
        """Tell what goes on now."""
        ...

    def show(self, state: RegistrationState) -> None:
        """Show one step."""
        ...


def display_for(*, quiet: bool) -> Display:
    """Return the display that fits the request and the terminal."""
    if quiet:
        return Silence()
    return ProgressBar() if sys.stderr.isatty() else PlainLines()


def stage_of(state: RegistrationState) -> str:
    """Return the name of the stage and level of a state, levels counted from 1."""
    return state.stage if state.stage == "linear" else f"{state.stage} {state.level + 1}"


def time_left(state: RegistrationState) -> str:
    """Return the time left, as minutes and seconds, by the share of the work that is done."""
    if state.progress < _ENOUGH_TO_TELL:
        return "-:--"
    return clock(state.seconds * (1 - state.progress) / state.progress)


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""

    def show(self, state: RegistrationState) -> None:
        """Do nothing."""


class PlainLines(Silence):
    """A line for each level and every few seconds: for logs and pipes."""

    def __init__(self) -> None:
        self._stage = ""
        self._last = 0.0

    def say(self, text: str) -> None:
        """Print a line."""
        typer.echo(text, err=True)

    def show(self, state: RegistrationState) -> None:
        """Print a line if the level is new or the last line is old."""
        stage, now = stage_of(state), time.monotonic()
        if stage == self._stage and now - self._last < QUIET_SECONDS:
            return
        self._stage, self._last = stage, now
        typer.echo(
            f"{stage:<12} step {state.iteration:<4} cost {state.objective:<10.4g} {state.progress:4.0%}  "
            f"{clock(state.seconds)}, left {time_left(state)}",
            err=True,
        )


class ProgressBar:
    """A bar with stage, cost and time left. It vanishes when the work is done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, numbers="")

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wipe the bar."""
        self._progress.stop()

    def say(self, text: str) -> None:
        """Show that something goes on whose length nobody knows."""
        self._progress.update(self._task, description=text, total=None, numbers="")

    def show(self, state: RegistrationState) -> None:
        """Move the bar."""
        self._progress.update(
            self._task,
            description=f"{stage_of(state):<11}",
            total=1.0,
            completed=state.progress,
            numbers=f"left {time_left(state)}  cost {state.objective:.4g}",
        )
