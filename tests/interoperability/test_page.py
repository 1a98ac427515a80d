"""The examples of docs/interoperability.md that need no other tool."""

from __future__ import annotations

import re

import numpy as np

from napari_shapereg.transforms import PointSet, read_points, write_points
from napari_shapereg.volumes import read_labels
from tests.interoperability.conftest import foreground
from tests.interoperability.page import PAGE, examples, run_example
from tests.volumes.test_dicom_seg import save
from tests.volumes.test_ome_zarr import write

SECTIONS = re.findall(r"^## (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)


def test_starting_from_another_result(as_on_the_page, typed, tmp_path):
    typed("Starting from another tool's result")
    assert read_labels(tmp_path / "again" / "warped_labels.nii.gz").labels == (1, 2)
    for code in examples("Starting from another tool's result", "python"):
        run_example(code, tmp_path, "nothing")


def test_points_and_meshes(as_on_the_page, typed, tmp_path):
    points = foreground(as_on_the_page.moving)[::300]
    write_points(PointSet(points), tmp_path / "landmarks.csv")
    typed("Points and meshes")
    assert len(read_points(tmp_path / "carried.vtk").points) == len(points)
    vectors = (tmp_path / "carried.vtk").read_text().split("VECTORS displacement double\n")[1]
    moves = np.array(vectors.split(), dtype=float).reshape(-1, 3)
    np.testing.assert_allclose(read_points(tmp_path / "carried.vtk").points - moves, points, atol=1e-6)


def test_dicom(as_on_the_page, typed, tmp_path):
    data = np.zeros((8, 9, 10), np.uint8)
    data[2:5, 2:7, 2:8], data[5:7, 2:7, 2:8] = 1, 2
    save(tmp_path / "seg.dcm", data=data, axes=np.diag([3.0, 3.0, 3.0])[::-1])
    typed("DICOM")
    assert read_labels(tmp_path / "from_dicom" / "warped_labels.nii.gz").labels == (1, 2)


def test_ome_zarr(as_on_the_page, typed, tmp_path):
    data = np.zeros((8, 9, 10), np.uint8)
    data[2:5, 2:7, 2:8], data[5:7, 2:7, 2:8] = 1, 2
    write(tmp_path / "seg.ome.zarr", data=data, scale=dict.fromkeys("xyz", 3.0))
    typed("OME-Zarr")
    assert read_labels(tmp_path / "from_zarr" / "warped_labels.nii.gz").labels == (1, 2)


def test_bids(as_on_the_page, typed, tmp_path):
    (tmp_path / "derivatives").mkdir()
    typed("BIDS")
    assert len(list((tmp_path / "derivatives").iterdir())) == 2


def test_every_section_with_examples_is_run_by_a_test():
    folder = PAGE.parents[1] / "tests" / "interoperability"
    tests = "".join(path.read_text("utf-8") for path in folder.glob("test_*.py"))
    for section in SECTIONS:
        if examples(section, "python") or examples(section, "console"):
            assert f'"{section}"' in tests, section
