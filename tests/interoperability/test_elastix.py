"""transformix applies our displacements and gives our labels; elastix's files are read and applied alike."""

from __future__ import annotations

import numpy as np

from napari_shapereg.transforms import read_transform, resample_labels
from napari_shapereg.volumes import read_labels
from tests.interoperability.page import examples, run_example
from tests.interoperability.peers import elastix_registration, transformix_displacement

STAGES = (
    "TranslationTransform",
    "EulerTransform",
    "SimilarityTransform",
    "AffineTransform",
    "BSplineTransform",
    "RecursiveBSplineTransform",
)


def test_our_displacements_give_our_labels(apart, case):
    grid = read_labels(case.fixed).grid
    theirs = apart(transformix_displacement, case.moving, case.folder / "displacement.nii.gz", grid)
    np.testing.assert_array_equal(theirs, case.warped)


def test_its_files_do_here_what_they_do_there(apart, small, tmp_path):
    after = apart(elastix_registration, *small, STAGES, tmp_path)
    moving, fixed = map(read_labels, small)
    for number, (kind, theirs) in enumerate(zip(STAGES, after, strict=True)):
        found = read_transform(tmp_path / f"TransformParameters.{number}.txt")
        ours = resample_labels(moving, fixed.grid, found)
        np.testing.assert_array_equal(ours.data, theirs, err_msg=kind)
    # ITK lists first what is applied last.
    assert np.abs(found.GetNthTransform(0).GetParameters()).max() > 1


def test_the_example_of_the_page(apart, as_on_the_page, tmp_path):
    (tmp_path / "warp.nii.gz").symlink_to(as_on_the_page.folder / "displacement.nii.gz")
    (code,) = examples("elastix", "python")
    np.testing.assert_array_equal(apart(run_example, code, tmp_path, "warped"), as_on_the_page.warped)
