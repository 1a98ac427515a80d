"""Greedy applies our displacements and gives our labels; its own files are read and applied alike."""

from __future__ import annotations

import numpy as np
import pytest

from napari_shapereg.transforms import chain, read_transform, resample_labels
from napari_shapereg.volumes import read_labels
from tests.interoperability.conftest import voxels
from tests.interoperability.page import examples, run_example
from tests.interoperability.peers import greedy


@pytest.fixture
def applied(apart, tmp_path):
    """Return what Greedy's reslicing makes of labels, (z, y, x)."""

    def apply(moving, fixed, transforms):
        words = " ".join(map(str, transforms))
        apart(greedy, f"-rf {fixed} -ri NN -rm {moving} {tmp_path / 'warped.nii.gz'} -r {words}")
        return voxels(tmp_path / "warped.nii.gz")

    return apply


def test_our_displacements_give_our_labels(applied, case):
    theirs = applied(case.moving, case.fixed, [case.folder / "displacement.nii.gz"])
    np.testing.assert_array_equal(theirs, case.warped)


@pytest.fixture(scope="module")
def registered(apart, small, tmp_path_factory):
    """The warp and the matrix of a registration by Greedy, in the order in which ``-r`` takes them."""
    moving, fixed = small
    folder = tmp_path_factory.mktemp("greedy")
    warp, matrix = folder / "warp.nii.gz", folder / "affine.mat"
    apart(greedy, f"-a -m SSD -i {fixed} {moving} -n 20x0 -dof 12 -ia-identity -o {matrix}")
    # -wp 0: without rounding of the vectors to a tenth of a voxel.
    apart(greedy, f"-m SSD -i {fixed} {moving} -n 10x5 -it {matrix} -o {warp} -wp 0")
    return [warp, matrix]


def test_its_affine_and_warp_do_here_what_they_do_there(applied, small, registered):
    moving, fixed = map(read_labels, small)
    for files in (registered, registered[1:]):
        ours = resample_labels(moving, fixed.grid, chain(*map(read_transform, files)))
        np.testing.assert_array_equal(ours.data, applied(*small, files))
    # The map is large enough for its direction to show.
    backward = resample_labels(moving, fixed.grid, read_transform(registered[1]).GetInverse())
    assert (backward.data != ours.data).sum() > 0.1 * (ours.data > 0).sum()


def test_the_example_of_the_page(apart, as_on_the_page, typed, tmp_path):
    typed("Greedy")
    (code,) = examples("Greedy", "python")
    apart(run_example, code, tmp_path, "nothing")
    np.testing.assert_array_equal(voxels(tmp_path / "warped.nii.gz"), as_on_the_page.warped)
