"""What goes wrong from outside: outputs are complete or absent, and a second try succeeds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from napari_shapereg.cli import main
from napari_shapereg.errors import InputError
from napari_shapereg.registration import (
    Registration,
    RegistrationSettings,
    engine,
    folder as folders,
    read_result,
    register,
)
from napari_shapereg.volumes import files, write_labels
from tests.registration.conftest import make_pair

QUICK = RegistrationSettings().changed(
    pitch=3.0, max_steps=4, measures={"points": 200}, voxels={"coarsening": (1,), "blurs": ((1.5,),)}
)


@pytest.fixture
def words(tmp_path):
    """The command line of a run of a second, into `out`."""
    moving, fixed = (write_labels(volume, tmp_path / f"{k}.nrrd") for k, volume in enumerate(make_pair()))
    (tmp_path / "settings.json").write_text(QUICK.model_dump_json())
    options = ["--settings", tmp_path / "settings.json", "--quiet", "--no-report"]
    return [str(word) for word in ("register", moving, fixed, "-o", tmp_path / "out", *options)]


def program(words, before=""):
    """Start the program in a process of its own."""
    code = f"{before}\nimport sys\nfrom napari_shapereg.cli import main\nmain(sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_killed_while_writing_it_leaves_no_result_and_a_second_run_succeeds(words, tmp_path):
    # Slowed down between two files, so that the moment is hit on every machine.
    slow = (
        "import time, napari_shapereg.registration.registered as r\n"
        "write = r.write_labels\n"
        "r.write_labels = lambda *given: (time.sleep(60), write(*given))"
    )
    with program(words, slow) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(".shapereg-*/moving_to_fixed.h5")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit) as end:
        main(words)
    assert not end.value.code
    assert "metrics.json" in names(tmp_path / "out")


def test_on_a_full_disk_it_says_so_and_leaves_nothing(words, tmp_path, monkeypatch, capsys):
    # (On a real disk of 100 kB: docs/faults.md.)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    before = names(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"error: {tmp_path / 'out'}/fixed_to_moving.h5: " in said
    assert "0.1 MB are free on the disk" in said
    assert names(tmp_path) == before


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch):
    # (The super-user may write anywhere but on a disk that is mounted read-only.)
    monkeypatch.setattr(folders.os, "access", lambda place, _: str(place) != str(tmp_path))
    with pytest.raises(InputError, match=r"out: this place cannot be written to; check permissions"):
        folders.check_folder(tmp_path / "out", overwrite=False)
    if os.geteuid():
        tmp_path.chmod(0o500)
        monkeypatch.undo()
        with pytest.raises(InputError, match="cannot be written to"):
            folders.check_folder(tmp_path / "out", overwrite=False)
        tmp_path.chmod(0o700)


def test_inputs_may_change_or_go_once_they_are_read(tmp_path):
    moving, fixed = (write_labels(volume, tmp_path / f"{k}.nrrd") for k, volume in enumerate(make_pair()))
    alone = register(moving, fixed, settings=QUICK)
    run = Registration(moving, fixed, QUICK)
    next(run)
    moving.write_bytes(fixed.read_bytes())
    fixed.unlink()
    for _ in run:
        pass
    result = run.result()
    result.save(tmp_path / "out", report=False)
    assert (result.warped.data == alone.warped.data).all()
    with pytest.raises(InputError, match="is not the moving volume that was registered"):
        read_result(tmp_path / "out")


def test_an_engine_that_fails_in_the_middle_leaves_nothing(words, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(engine, "descend", fail)
    before = names(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 1
    assert "unexpected RuntimeError: CUDA error" in capsys.readouterr().err
    assert names(tmp_path) == before
