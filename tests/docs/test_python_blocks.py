"""The Python that the pages show runs, block after block, where two small volumes lie.

Those of docs/interoperability.md are run in tests/interoperability, with the tools themselves.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

import napari_shapereg as sr
from napari_shapereg.volumes import ImageGrid, LabelVolume, write_labels

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    if page.name != "interoperability.md" and BLOCK.search(page.read_text(encoding="utf-8"))
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Two small boxes in files, and the settings of a former run."""
    monkeypatch.chdir(tmp_path)
    for name, shift in (("moving", 0), ("fixed", 2)):
        data = np.zeros((10, 12, 14), np.uint8)
        data[2:6, 2 + shift : 7 + shift, 3:9] = 1
        write_labels(LabelVolume(data, ImageGrid((14, 12, 10), (1.0, 1.0, 1.5))), tmp_path / f"{name}.nii.gz")
    settings = tmp_path / "out" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(sr.RegistrationSettings.preset("fast").model_dump_json())
    return tmp_path


def test_pages_are_found():
    assert {"README.md", "docs/start.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page, here, monkeypatch):
    marks = np.array([[3.0, 2, 3], [8, 2, 3], [3, 6, 3], [3, 2, 7]])
    values = {
        "sr": sr,
        "moving": sitk.ReadImage("moving.nii.gz"),
        "fixed": sitk.ReadImage("fixed.nii.gz"),
        "landmark_on_moving": marks[0].tolist(),
        "moving_points": marks,
        "fixed_points": marks + np.array([0.0, 2.0, 0.0]),
        "points": torch.tensor(marks),
    }
    for code in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        if 'result.save("out")' in code:
            (here / "out" / "settings.json").unlink()
        exec(compile(code, page, "exec"), values)
