from __future__ import annotations

import gzip
import resource
import signal
import subprocess
import sys
import warnings

import pytest

import napari_shapereg
from napari_shapereg.cli import doctor

HEAVY = {"torch", "numba", "SimpleITK", "scipy", "numpy", "matplotlib", "napari", "nibabel"}


@pytest.mark.parametrize("words", ["--help", "register --help", "warp --help", "doctor --help", "--version"])
def test_help_loads_nothing_heavy(words):
    code = (
        f"import sys\nfrom napari_shapereg.cli import main\ntry:\n    main({words.split()})\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print('loaded', *{name.partition('.')[0] for name in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert HEAVY & set(run.stdout.partition("loaded")[2].split()) == set()


def test_help_is_fast(program):
    # Processor time, which other work on the machine changes little. Measured: 0.2 s; with torch: 2 s.
    assert min(_processor_time([program, "--help"]) for _ in range(3)) < 0.8
    assert min(_processor_time([program, "register", "--help"]) for _ in range(3)) < 0.8


def _processor_time(words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_version(shapereg):
    assert shapereg("--version") == (0, f"shapereg {napari_shapereg.__version__}\n", "")


def test_every_command_is_listed_and_explains_itself(shapereg):
    listed = shapereg("--help").out
    for command in ("register", "gradient", "warp", "evaluate", "demo", "doctor"):
        assert f"  {command} " in listed
        run = shapereg(command, "-h")
        assert run.code == 0
        # Terminals that do not speak UTF-8 must be able to show it.
        assert run.out.isascii()


@pytest.mark.parametrize(
    "words",
    ["registr", "--colour", "register a.nii.gz", "register a b -o c --preset best", "warp a --transform b"],
)
def test_wrong_usage(shapereg, words):
    run = shapereg(*words.split())
    assert run.code == 2
    assert "Usage: " in run.err
    assert "Error: " in run.err
    assert run.out == ""


def test_a_fault_is_told_in_short_and_in_full_on_request(shapereg, monkeypatch):
    def fail():
        message = "the sky fell"
        raise RuntimeError(message)

    monkeypatch.setattr(doctor, "_system", fail)
    run = shapereg("doctor")
    assert run.code == 1
    assert run.err.startswith("error: unexpected RuntimeError: the sky fell\n")
    assert "report" in run.err
    assert "Traceback" not in run.err
    for words in (["--debug", "doctor"], ["doctor", "--debug"]):
        assert "Traceback" in shapereg(*words).err
    monkeypatch.setenv("SHAPEREG_DEBUG", "1")
    assert "Traceback" in shapereg("doctor").err


def test_interrupted_anywhere(shapereg, monkeypatch):
    monkeypatch.setattr(doctor, "_system", lambda: signal.raise_signal(signal.SIGINT))
    run = shapereg("doctor")
    assert run.code == 130
    assert "Traceback" not in run.err


def test_a_reader_that_leaves_early_is_no_error(program):
    process = subprocess.Popen([program, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


def test_warnings_are_one_line(shapereg, tmp_path, boxes):
    unplaced = bytearray(gzip.decompress(boxes[0].read_bytes()))
    unplaced[252:256] = bytes(4)  # qform and sform code
    (tmp_path / "unplaced.nii").write_bytes(unplaced)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        run = shapereg("evaluate", tmp_path / "unplaced.nii", boxes[1])
    assert run.code == 0
    assert len(run.err.splitlines()) == 1
    assert run.err.startswith(f"warning: {tmp_path / 'unplaced.nii'}: ")
