from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.transforms import displacement_transform, transform_points
from napari_shapereg.volumes import ImageGrid


def one_by_one(transform, points):
    return np.array([transform.TransformPoint(point) for point in points.tolist()])


def test_many_points_move_as_each_does_alone(smooth_map, lattice):
    indices = np.random.default_rng(1).uniform(-3, 17, size=(3000, 3))
    points = lattice.to_points(indices)
    # Both are ITK's arithmetic; a point stored as a difference and added again rounds in the 15th digit.
    np.testing.assert_allclose(
        transform_points(smooth_map, points), one_by_one(smooth_map, points), atol=1e-11
    )


def test_the_border_of_a_field_is_where_itk_puts_it():
    vectors = np.random.default_rng(2).normal(size=(3, 4, 5, 3))
    transform = displacement_transform(vectors, ImageGrid((5, 4, 3)))
    edge = [-0.5 - 1e-9, -0.5, -0.5 + 1e-9, 0.0, 4.0, 4.5 - 1e-9, 4.5, 4.5 + 1e-9]
    points = np.array([(x, 1.3, 0.7) for x in edge])
    np.testing.assert_allclose(transform_points(transform, points), one_by_one(transform, points), atol=1e-12)


def test_every_kind_of_transform_is_taken():
    spline = sitk.BSplineTransformInitializer(sitk.Image(20, 20, 20, sitk.sitkUInt8), [4, 4, 4])
    spline.SetParameters(np.random.default_rng(3).normal(size=len(spline.GetParameters())).tolist())
    points = np.random.default_rng(4).uniform(-5, 25, size=(200, 3))
    np.testing.assert_allclose(transform_points(spline, points), one_by_one(spline, points), atol=1e-11)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few_points(affine, count):
    points = np.random.default_rng(5).normal(size=(count, 3))
    mapped = transform_points(affine, points)
    assert mapped.shape == (count, 3)
    assert mapped.dtype == np.float64
    np.testing.assert_allclose(mapped, one_by_one(affine, points).reshape(-1, 3), atol=1e-12)


def test_more_points_than_a_batch_holds(affine, monkeypatch):
    monkeypatch.setattr("napari_shapereg.transforms.points._BATCH", 100)
    points = np.random.default_rng(6).normal(size=(350, 3))
    np.testing.assert_allclose(transform_points(affine, points), one_by_one(affine, points), atol=1e-12)


@pytest.mark.parametrize("points", [np.zeros(3), np.zeros((4, 2)), [[0.0, np.nan, 0.0]]])
def test_what_are_no_points_is_refused(affine, points):
    with pytest.raises(InputError, match="points must"):
        transform_points(affine, points)
