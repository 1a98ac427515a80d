"""ANTs applies our files and gives our labels; its own files are read, applied alike, and started from."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_shapereg.cli import main
from napari_shapereg.quality import label_agreement
from napari_shapereg.registration import register
from napari_shapereg.transforms import chain, read_transform, resample_labels, transform_points
from napari_shapereg.volumes import read_labels
from tests.interoperability.conftest import QUICK, foreground
from tests.interoperability.page import examples, run_example
from tests.interoperability.peers import ants_labels, ants_points, ants_registration

FLOW_ONLY = QUICK.changed(linear="none")
START_ONLY = FLOW_ONLY.changed(measures=None, voxels=None)


@pytest.mark.parametrize("name", ["fixed_to_moving.h5", "displacement.nii.gz"])
def test_our_files_give_our_labels(apart, case, name):
    theirs = apart(ants_labels, case.moving, case.fixed, [case.folder / name])
    np.testing.assert_array_equal(theirs, case.warped)


def test_the_inverse_carries_points_as_ours_does(apart, case):
    points = foreground(case.moving)
    moved = apart(ants_points, points, [case.folder / "moving_to_fixed.h5"])
    # ANTs reads the field and computes in float32: about 1e-5 mm at 100 mm.
    np.testing.assert_allclose(moved, transform_points(case.result.inverse_transform, points), atol=1e-4)


@pytest.fixture(scope="module")
def registered(apart, small, tmp_path_factory):
    """What a registration by ANTs writes."""
    files = apart(ants_registration, *small, tmp_path_factory.mktemp("ants"))
    assert [file.name for file in files] == ["1Warp.nii.gz", "0GenericAffine.mat"]
    return files


def test_its_affine_and_warp_do_here_what_they_do_there(apart, small, registered):
    moving, fixed = map(read_labels, small)
    for files in (registered, registered[1:]):
        ours = resample_labels(moving, fixed.grid, chain(*map(read_transform, files)))
        np.testing.assert_array_equal(ours.data, apart(ants_labels, *small, files))


def test_its_map_is_our_start(small, registered):
    theirs = chain(*map(read_transform, registered))
    still = register(*small, settings=START_ONLY, initial=registered)
    points = foreground(small[1])
    np.testing.assert_allclose(
        transform_points(still.transform, points), transform_points(theirs, points), atol=1e-9
    )
    back = transform_points(still.inverse_transform, transform_points(still.transform, points))
    # The inverse of the warp is linear between its nodes, 1 to 1.6 mm apart.
    assert np.linalg.norm(back - points, axis=1).mean() < 0.05


def test_our_flow_goes_on_from_its_affine_map_on_the_command_line(small, registered, tmp_path):
    (tmp_path / "settings.json").write_text(FLOW_ONLY.model_dump_json())
    words = ["register", *small, "-o", tmp_path / "out", "--settings", tmp_path / "settings.json"]
    words += ["--no-report", "--quiet", "--initial", registered[1]]
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert not end.value.code
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["provenance"]["initial"]["members"] == ["AffineTransform"]
    moving, fixed = map(read_labels, small)
    start = label_agreement(fixed, resample_labels(moving, fixed.grid, read_transform(registered[1])))
    for label, row in metrics["labels"].items():
        assert row["after"]["dice"] > start[int(label)].dice + 0.02


def test_the_example_of_the_page(apart, as_on_the_page, tmp_path):
    (code,) = examples("ANTs", "python")
    np.testing.assert_array_equal(apart(run_example, code, tmp_path, "warped"), as_on_the_page.warped)
