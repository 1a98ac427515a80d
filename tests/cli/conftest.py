from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from filelock import FileLock
from scipy.spatial.transform import Rotation

from napari_shapereg.cli import main
from napari_shapereg.volumes import ImageGrid, LabelVolume, sample_path, write_labels

OBLIQUE = Rotation.from_euler("xyz", [11, -24, 37], degrees=True).as_matrix() @ np.diag([1.0, -1.0, 1.0])
"""An oblique direction with a flip, so that a dropped direction or a swapped axis shows."""


class Run(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def shapereg(capfd):
    """Run a command in this process."""

    def run(*words: object) -> Run:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        return Run(end.value.code or 0, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def program() -> str:
    """The installed program."""
    found = shutil.which("shapereg", path=str(Path(sys.executable).parent))
    assert found, "the program is not installed: pip install -e ."
    return found


@pytest.fixture(scope="session")
def sample_files() -> tuple[Path, Path]:
    """The moving and the fixed volume of the small sample pair, on oblique anisotropic grids."""
    return sample_path("known_moving.nii.gz"), sample_path("known_fixed.nii.gz")


@pytest.fixture(scope="session")
def registered(program, sample_files, tmp_path_factory, worker_id) -> tuple[Path, Run]:
    """A real run of the installed program, one for all test processes: its folder, and what it printed."""
    base = tmp_path_factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / "registered"
    folder, said = place / "real" / "out", place / "said.json"
    with FileLock(f"{place}.lock"):
        if not said.exists():
            folder.parent.mkdir(parents=True)
            words = [program, "register", *sample_files, "-o", folder, "--preset", "fast", "--json"]
            words += ["--save", "displacement", "--save", "jacobian"]
            done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
            said.write_text(json.dumps(Run(done.returncode, done.stdout, done.stderr)))
    return folder, Run(*json.loads(said.read_text()))


@pytest.fixture(scope="session")
def boxes(tmp_path_factory) -> tuple[Path, Path]:
    """Two small boxes with labels 1 and 2 on one oblique, flipped, anisotropic grid, some voxels apart."""
    folder = tmp_path_factory.mktemp("boxes")
    grid = ImageGrid((22, 20, 18), (0.7, 0.8, 1.5), (101.125, -57.3, 12.77), tuple(OBLIQUE.ravel()))
    moving, fixed = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    moving[3:9, 4:12, 3:13] = 1
    moving[9:12, 4:12, 3:13] = 2
    fixed[5:12, 6:14, 6:15] = 1
    fixed[12:15, 6:14, 6:15] = 2
    names = ("moving.nii.gz", "fixed.nii.gz")
    return tuple(
        write_labels(LabelVolume(data, grid), folder / name)
        for data, name in zip((moving, fixed), names, strict=True)
    )
