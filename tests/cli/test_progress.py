from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from napari_shapereg.cli import progress
from napari_shapereg.cli.progress import PlainLines, Silence, display_for, stage_of, time_left


def _state(stage="voxels", level=0, share=0.5, seconds=10.0, step=3):
    return SimpleNamespace(
        stage=stage, level=level, iteration=step, objective=0.01234, progress=share, seconds=seconds
    )


@pytest.mark.parametrize(
    ("share", "seconds", "left"),
    [(0.5, 10, "0:10"), (0.25, 30, "1:30"), (1.0, 30, "0:00"), (0.01, 1, "-:--")],
)
def test_time_left(share, seconds, left):
    assert time_left(_state(share=share, seconds=seconds)) == left


def test_levels_are_counted_from_one():
    assert [stage_of(_state(*place)) for place in (("linear", 0), ("voxels", 0), ("measures", 1))] == [
        "linear",
        "voxels 1",
        "measures 2",
    ]


def test_a_line_for_each_level_and_every_few_seconds(capsys, monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.seconds)
    with PlainLines() as display:
        for step in range(5):
            now.seconds += 1
            display.show(_state(step=step))
        display.show(_state(level=1, step=9))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("step ")[1].split()[0] for line in lines] == ["0", "3", "9"]
    assert lines[0].startswith("voxels 1 ")
    assert "cost 0.01234" in lines[0]
    assert lines[0].endswith("left 0:10")


def test_the_display_fits_the_terminal(capsys):
    assert isinstance(display_for(quiet=True), Silence)
    assert isinstance(display_for(quiet=False), PlainLines)


def test_a_bar_on_a_terminal(tmp_path):
    script = tmp_path / "bar.py"
    script.write_text(
        "import time\nfrom types import SimpleNamespace as State\n"
        "from napari_shapereg.cli.progress import display_for\n"
        "with display_for(quiet=False) as display:\n"
        "    display.say('reading')\n    time.sleep(0.3)\n"
        "    display.show(State(stage='voxels', level=1, iteration=3, objective=0.25,"
        " progress=0.5, seconds=7))\n"
        "    time.sleep(0.3)\n"
    )
    seen = _on_a_terminal([sys.executable, script])
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert "reading" in plain
    assert re.search(r"voxels 2 .* 50% 0:00:0\d left 0:07  cost 0\.25", plain)
    # The bar is wiped at the end, and the cursor comes back.
    assert seen.rstrip().endswith("\x1b[2K")
    assert seen.count("\x1b[?25h") == 1


def _on_a_terminal(words):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
    process = subprocess.Popen(list(map(str, words)), stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    pieces = []
    try:
        while piece := os.read(ours, 4096):
            pieces.append(piece)
    except OSError:
        pass  # Linux says so when the other end is closed.
    os.close(ours)
    assert process.wait() == 0
    return b"".join(pieces).decode()
