from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.quality import inverse_consistency
from napari_shapereg.transforms import affine_transform, transform_points
from napari_shapereg.volumes import ImageGrid, LabelVolume


def test_an_affine_and_its_inverse_undo_each_other(affine, fixed):
    values = inverse_consistency(affine, affine.GetInverse(), fixed)
    assert values.maximum < 1e-11
    assert values.voxels == np.count_nonzero(fixed.data)


def test_a_shift_that_is_not_undone_is_measured(fixed):
    there = affine_transform(np.eye(3), [3.0, 0.0, 0.0])
    back = affine_transform(np.eye(3), [-3.0, 0.0, 0.4])
    values = inverse_consistency(there, back, fixed)
    assert (values.mean, values.p95, values.maximum) == tuple(pytest.approx(0.4) for _ in range(3))


def test_every_labelled_voxel_is_followed_there_first(smooth_map, affine, fixed, grid, monkeypatch):
    monkeypatch.setattr("napari_shapereg.quality.consistency._SLAB_VOXELS", 3000)
    back = affine.GetInverse()
    points = grid.to_points(np.argwhere(fixed.data)[:, ::-1])
    lengths = np.linalg.norm(transform_points(back, transform_points(smooth_map, points)) - points, axis=1)
    values = inverse_consistency(smooth_map, back, fixed)
    np.testing.assert_allclose(
        [values.mean, values.p95, values.maximum],
        [lengths.mean(), np.percentile(lengths, 95), lengths.max()],
        rtol=1e-9,
    )
    assert values.maximum > 1
    # The other way round is another measurement.
    assert inverse_consistency(back, smooth_map, fixed).mean != pytest.approx(values.mean, rel=1e-3)


def test_what_cannot_be_followed_is_refused(affine):
    empty = LabelVolume(np.zeros((3, 3, 3), np.uint8), ImageGrid((3, 3, 3)))
    with pytest.raises(InputError, match="no foreground"):
        inverse_consistency(affine, affine, empty)
    with pytest.raises(InputError, match="2-D"):
        inverse_consistency(affine, sitk.AffineTransform(2), empty)
