from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
import torch

from napari_shapereg.errors import MissingExtraError
from napari_shapereg.reductions import keops_engine
from napari_shapereg.reductions.keops_engine import KeopsEngine

needs_pykeops = pytest.mark.skipif(
    importlib.util.find_spec("pykeops") is None, reason="pykeops is not installed"
)


def run(program, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )


def test_without_pykeops_the_error_names_the_extra_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r'pip install "napari-shapereg\[keops\]"'):
        KeopsEngine()


@needs_pykeops
def test_keops_falls_silent_even_where_it_was_imported_before():
    import pykeops

    pykeops.set_verbose(True)
    KeopsEngine()
    assert not pykeops.keopscore.verbose


@needs_pykeops
@pytest.mark.slow
def test_keops_compiles_once_for_all_sizes_and_widths_and_prints_nothing(tmp_path):
    program = """
import os, pathlib, torch
from napari_shapereg.reductions.differentiable import kernel_sum
from napari_shapereg.reductions.kernels import GaussianKernel
before = dict(os.environ)
compiled = []
for size, dimension, sigma in ((5, 3, 1.0), (700, 2, 0.1), (31, 1, 50.0)):
    points = torch.rand(size, dimension)
    kernel_sum(GaussianKernel(sigma), points, points, torch.ones(size), "keops")
    compiled.append(sorted(pathlib.Path(os.environ["KEOPS_CACHE_FOLDER"]).rglob("*.so")))
assert compiled[0], "nothing was compiled here"
assert compiled[0] == compiled[1] == compiled[2], compiled
assert dict(os.environ) == before
"""
    done = run(program, KEOPS_CACHE_FOLDER=str(tmp_path))
    assert done.stdout == ""
    assert done.stderr == ""


@needs_pykeops
def test_without_a_compiler_the_doctor_says_so_and_how_to_help(tmp_path):
    program = """
from napari_shapereg.reductions import selection
selection.ENGINES = ("keops",)
cpu, cuda = selection.engine_health()
assert (cpu.engine, cpu.device, cpu.works) == ("keops", "cpu", False)
assert "finds no C++ compiler; install g++" in cpu.reason, cpu.reason
assert cuda.device == "cuda"
"""
    done = run(program, KEOPS_CACHE_FOLDER=str(tmp_path), CXX="", PATH=str(tmp_path))
    assert done.stdout == ""
    assert done.stderr == ""


@needs_pykeops
def test_a_compiler_that_fails_is_an_error_that_says_what_to_do(tmp_path):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    program = """
from napari_shapereg.reductions import selection
selection.ENGINES = ("keops",)
cpu, _ = selection.engine_health()
assert not cpu.works
assert "KeOps could not compile or run a formula on cpu" in cpu.reason, cpu.reason
assert "engine='numba'" in cpu.reason
"""
    done = run(program, KEOPS_CACHE_FOLDER=str(tmp_path / "cache"), CXX=str(compiler))
    assert done.stdout == ""
    assert done.stderr == ""


@needs_pykeops
def test_what_may_compile_keeps_other_processes_out_and_what_runs_again_does_not(monkeypatch):
    held = []

    class Watched(keops_engine.FileLock):
        def __enter__(self):
            held.append(self.lock_file)
            return super().__enter__()

    monkeypatch.setattr(keops_engine, "FileLock", Watched)
    monkeypatch.setattr(keops_engine, "_compiled", set())
    points, engine = torch.rand(4, 3), KeopsEngine()
    for dtype, locks in ((torch.float32, 1), (torch.float32, 1), (torch.float64, 2)):
        engine.nearest(points.to(dtype), points.to(dtype))
        assert len(held) == locks
