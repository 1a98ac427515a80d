from __future__ import annotations

import importlib.util
import math
import subprocess
import sys

import pytest
import torch

from napari_shapereg.errors import EngineError, InputError
from napari_shapereg.reductions import selection
from napari_shapereg.reductions.engine import Engine
from napari_shapereg.reductions.selection import approximate_engine, engine_health, get_engine, resolve_device
from napari_shapereg.reductions.torch_engine import TorchEngine


@pytest.fixture
def pykeops_installed(monkeypatch):
    """Make the rule believe that pykeops is, or is not, installed."""

    def pretend(installed):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: object() if installed and name == "pykeops" else None
        )

    return pretend


# ---------------------------------------------------------------------------------------------------- engines


@pytest.mark.parametrize("name", ["torch", "numba", "tree"])
def test_an_engine_goes_by_its_name_and_keeps_the_protocol(name):
    engine = get_engine(name, "cpu")
    assert engine.name == name
    assert isinstance(engine, Engine)
    assert get_engine(name, torch.device("cpu")) is engine


def test_the_rule_of_auto(monkeypatch, pykeops_installed):
    monkeypatch.setattr(selection, "_load", lambda name: name)
    monkeypatch.setattr(sys, "platform", "linux")
    pykeops_installed(True)
    assert get_engine("auto", "cpu") == "tree"
    assert get_engine("auto", "cuda:1") == "keops"
    assert get_engine("auto", "mps") == "torch"
    pykeops_installed(False)
    assert get_engine("auto", "cpu") == "tree"
    assert get_engine("auto", "cuda") == "torch"
    pykeops_installed(True)
    monkeypatch.setattr(sys, "platform", "win32")
    assert get_engine("auto", "cuda") == "torch"


@pytest.mark.parametrize(
    ("engine", "rows", "columns", "dimension", "approximate"),
    [
        ("tree", 12_288, 12_288, 3, True),
        ("tree", 12_288, 12_287, 3, False),
        ("tree", 6200, 10**6, 3, True),
        ("tree", 6100, 10**6, 3, False),
        ("tree", 10**6, 10**6, 6, False),
        ("auto", 12_288, 12_288, 1, True),
        ("numba", 10**6, 10**6, 3, False),
        ("torch", 10**6, 10**6, 3, False),
    ],
)
def test_sums_are_approximate_where_a_tree_pays_and_nobody_asked_for_exact_ones(
    engine, rows, columns, dimension, approximate
):
    # No memory behind them: their sizes decide.
    x, y = torch.zeros(1, dimension).expand(rows, -1), torch.zeros(1, dimension).expand(columns, -1)
    assert (approximate_engine(engine, x, y) is not None) == approximate


def test_an_engine_is_taken_as_it_is():
    engine = TorchEngine(block_bytes=1000)
    assert get_engine(engine, "cpu") is engine


def test_an_unknown_engine_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="no engine 'cupy'; choose one of torch, numba, tree, keops or auto"):
        get_engine("cupy", "cpu")


@pytest.mark.parametrize(
    ("name", "device"), [("numba", "cuda"), ("numba", "mps"), ("tree", "cuda"), ("keops", "mps")]
)
def test_an_engine_on_a_device_that_it_does_not_know_is_refused(name, device):
    with pytest.raises(EngineError, match=f"The {name} engine runs on .* tensors are on {device}"):
        get_engine(name, device)


# ---------------------------------------------------------------------------------------------------- devices


def test_auto_is_cuda_where_there_is_one_and_the_cpu_elsewhere(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")


def test_the_cpu_is_always_there():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")


def test_a_device_that_is_not_there_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(EngineError, match=r"'cuda' cannot be used: torch .* is built without CUDA"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(EngineError, match="torch sees no CUDA device"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(EngineError, match=r"'cuda:2' cannot be used: torch sees 2 CUDA devices"):
        resolve_device("cuda:2")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(EngineError, match="'mps' cannot be used: it needs a Mac"):
        resolve_device("mps")


@pytest.mark.parametrize("name", ["gpu", "", "xpu", "meta", None])
def test_an_unknown_device_is_refused_with_the_known_ones(name):
    with pytest.raises(InputError, match=f"no device {name!r}; choose auto, cpu, cuda or mps"):
        resolve_device(name)


# ----------------------------------------------------------------------------------------------------- health


def test_the_doctor_names_every_pair_and_what_works_here(monkeypatch):
    # KeOps would compile for seconds: test_keops_engine examines it.
    monkeypatch.setattr(selection, "ENGINES", ("torch", "numba"))
    rows = {(row.engine, row.device): row for row in engine_health()}
    assert set(rows) == {("torch", "cpu"), ("torch", "cuda"), ("torch", "mps"), ("numba", "cpu")}
    assert rows["torch", "cpu"].works
    assert rows["numba", "cpu"].works
    assert rows["torch", "cuda"].works == torch.cuda.is_available()
    assert all(row.works == (row.reason == "") for row in rows.values())


class Broken(TorchEngine):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def kernel_sum(self, kernel, x, y, b):
        if isinstance(self.value, Exception):
            raise self.value
        return super().kernel_sum(kernel, x, y, b) * self.value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (EngineError("no compiler; install one"), "no compiler; install one"),
        (OSError("libsomething.so: cannot open"), "OSError: libsomething.so: cannot open"),
        (0.5, "is -2.5 instead of -5"),
        (math.nan, "is nan instead of -5"),
    ],
)
def test_the_doctor_says_why_an_engine_does_not_work(monkeypatch, value, reason):
    monkeypatch.setattr(selection, "ENGINES", ("numba",))
    monkeypatch.setattr(selection, "_load", lambda _: Broken(value))
    [row] = engine_health()
    assert not row.works
    assert reason in row.reason


def test_choosing_engines_imports_none_of_them():
    program = (
        "import sys, napari_shapereg.reductions.selection, napari_shapereg.reductions.differentiable;"
        "print({'numba', 'pykeops', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
