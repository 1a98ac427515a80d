from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, version

import pytest

import napari_shapereg

HEAVY = (
    "torch",
    "numba",
    "SimpleITK",
    "scipy",
    "skimage",
    "matplotlib",
    "napari",
    "qtpy",
    "PyQt6",
    "pykeops",
    "dask",
)


def loaded_after(statement: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import napari_shapereg") & set(HEAVY) == set()


def test_an_error_can_be_caught_without_loading_anything_heavy() -> None:
    assert loaded_after("from napari_shapereg import InputError") & set(HEAVY) == set()


def test_volumes_load_neither_torch_nor_qt() -> None:
    loaded = loaded_after("from napari_shapereg import read_labels, write_labels, LabelVolume, ImageGrid")
    assert loaded & {"torch", "numba", "napari", "qtpy", "PyQt6", "pykeops"} == set()


@pytest.mark.parametrize("name", napari_shapereg.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(napari_shapereg, name) is not None
    assert name in dir(napari_shapereg)


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="regster"):
        napari_shapereg.regster  # noqa: B018 - asking is the point


def test_the_version_is_the_installed_one() -> None:
    assert napari_shapereg.__version__ == version("napari-shapereg")


def test_the_command_is_installed() -> None:
    (command,) = entry_points(group="console_scripts", name="shapereg")
    assert command.value == "napari_shapereg.cli:main"
    assert callable(command.load())
