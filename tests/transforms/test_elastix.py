"""elastix's files, written by hand: what is wrong with one is said. (The tool: tests/interoperability.)"""

from __future__ import annotations

import os

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.transforms import read_fsl, read_transform
from napari_shapereg.volumes import ImageGrid

SHIFT = """// written by hand
(Transform "TranslationTransform")
(TransformParameters 1 2 3) // LPS mm
(InitialTransformParameterFileName "NoInitialTransform")
(HowToCombineTransforms "Compose")
"""
TURN = """(Transform "EulerTransform")
(CenterOfRotationPoint 10 0 0)
(TransformParameters 0.3 -0.2 0.1 0 0 0)
(ComputeZYX "{zyx}")
(InitialTransformParametersFileName "C:\\\\elsewhere\\\\first.txt")
"""


def test_a_chain_is_followed_beside_the_file(tmp_path):
    (tmp_path / "first.txt").write_text(SHIFT)
    images = {}
    for zyx in ("true", "false"):
        (tmp_path / "second.txt").write_text(TURN.format(zyx=zyx))
        images[zyx] = np.array(read_transform(tmp_path / "second.txt").TransformPoint((9.0, -2.0, -3.0)))
        # The shift comes first and ends in the centre of the turn.
        np.testing.assert_allclose(images[zyx], [10, 0, 0], atol=1e-12)
        away = read_transform(tmp_path / "second.txt").TransformPoint((0.0, 5.0, 7.0))
        images[zyx] = np.array(away)
    assert np.abs(images["true"] - images["false"]).max() > 0.1


BSPLINE = """(Transform "BSplineTransform")
(GridSize {size})
(GridOrigin 0 0 0)
(GridSpacing 1 1 1)
(GridDirection 1 0 0 0 1 0 0 0 1)
(TransformParameters 1 2 3)
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SHIFT.replace("1 2 3", "1 2"), "TransformParameters has 2 numbers, 3 are needed"),
        (SHIFT.replace("1 2 3", "1 2 x"), "must be numbers"),
        (SHIFT.replace("1 2 3", "1 2 nan"), "NaN"),
        (SHIFT.replace("Parameters 1 2 3) // LPS mm", "Parameters 1 2"), "no '.Name values.'"),
        (SHIFT.replace("Translation", "SplineKernel"), "'SplineKernelTransform' cannot be read, only"),
        (SHIFT.replace("Compose", "Add"), "composed"),
        (SHIFT.replace("NoInitialTransform", "first.txt"), r"first\.txt: no such file; .*keep it beside"),
        (SHIFT.replace("NoInitialTransform", "../../map.txt"), "circles"),
        (SHIFT.replace("NoInitialTransform", ""), "FileName names no file, got ''"),
        (SHIFT.replace("NoInitialTransform", "C:/"), "FileName names no file, got 'C:/'"),
        ("(Author)\n(Transform)", "no '.Name values.'"),
        ('(Version "1")', "one value of Transform is needed"),
        (SHIFT.replace("written", "geschr\u00fcben").encode("latin-1"), "no text file"),
        # No room is made for what a size promises.
        (BSPLINE.format(size="100000 100000 100000"), "3 numbers, 3000000000000000 are needed"),
        (BSPLINE.format(size="1e200 1e200 1e200"), "GridSize must be whole numbers"),
        (BSPLINE.format(size="8 8 -8"), "GridSize must be whole numbers"),
        (BSPLINE.format(size="1 1 1"), "above the order of the spline"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    path = tmp_path / "map.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("ascii"))
    with pytest.raises(InputError, match=rf"map\.txt: .*({message})"):
        read_transform(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 0 5\n0 1 0 6\n0 0 1 7\n", "four rows of four"),
        ("1 0 0 5\n0 1 0 6\n0 0 1 7\n0 0 1 1\n", "last row"),
        ("1 0 0 5\n0 1 0 6\n0 0 0 7\n0 0 0 1\n", "singular"),
        ("", "corrupt"),
    ],
)
def test_matrices_that_are_none_are_refused(tmp_path, text, message):
    (tmp_path / "affine.mat").write_text(text)
    with pytest.raises(InputError, match=rf"affine\.mat: .*{message}"):
        read_transform(tmp_path / "affine.mat")


def test_no_more_is_read_than_a_matrix_takes(tmp_path):
    grid = ImageGrid((4, 4, 4))
    (tmp_path / "endless.mat").write_text("1 0 0 5\n")
    os.truncate(tmp_path / "endless.mat", 1 << 42)
    with pytest.raises(InputError, match=r"endless\.mat: .*four rows of four"):
        read_fsl(tmp_path / "endless.mat", grid, grid)


def test_a_matrix_maps_ras_points(tmp_path):
    (tmp_path / "affine.mat").write_text("0 -1 0 5\n1 0 0 6\n0 0 1 7\n0 0 0 1\n")
    # (x, y, z) LPS = (-x, -y, z) RAS -> (y + 5, -x + 6, z + 7) RAS.
    image = read_transform(tmp_path / "affine.mat").TransformPoint((1.0, 2.0, 3.0))
    np.testing.assert_allclose(image, (-7.0, -5.0, 10.0))
