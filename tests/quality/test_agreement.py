from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.quality import label_agreement
from napari_shapereg.transforms import affine_transform, resample_labels, write_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume, read_labels, write_labels

ROUNDING = 5.1e-5  # the judge prints four digits


def cubes(*starts, side=4, spacing=(1.0, 1.0, 1.0), size=(30, 20, 16)):
    """Return volumes with one cube of label 1 each, whose first voxel (x, y, z) is given."""
    volumes = []
    for x, y, z in starts:
        data = np.zeros(size[::-1], dtype=np.uint8)
        data[z : z + side, y : y + side, x : x + side] = 1
        volumes.append(LabelVolume(data, ImageGrid(size, spacing)))
    return volumes


def test_a_cube_shifted_along_x():
    fixed, warped = cubes((5, 6, 7), (7, 6, 7), spacing=(0.5, 2.0, 3.0))
    row = label_agreement(fixed, warped)[1]
    assert row.dice == 0.5  # two of four layers are shared
    assert row.volume_ratio == 1
    assert row.fixed_volume == row.warped_volume == pytest.approx(64 * 3.0)
    assert row.hd == 1.0  # two voxels of half a millimetre
    assert row.hd95 == 1.0
    # Layer by layer along x the 56 contour voxels of one cube are 16 that lie 2 voxels off, 12 that lie 1
    # voxel off, 12 in the face of the other cube, and 16 of which the 4 inner ones are 1 voxel off.
    assert row.assd == pytest.approx((16 * 1.0 + 12 * 0.5 + 4 * 0.5) / 56)
    assert row.worst_point[0] in (2.5, 5.0)


def test_identical_labels():
    fixed, _ = cubes((5, 6, 7), (5, 6, 7))
    row = label_agreement(fixed, fixed)[1]
    assert (row.dice, row.volume_ratio, row.assd, row.hd95, row.hd) == (1, 1, 0, 0, 0)


def test_concentric_balls_are_apart_by_their_difference_in_radius():
    grid = ImageGrid((60, 60, 60), (0.5, 0.5, 0.5))
    radius = np.linalg.norm(np.indices(grid.shape).reshape(3, -1).T * 0.5 - 14.75, axis=1).reshape(grid.shape)
    small, large = (LabelVolume((radius < limit).astype(np.uint8), grid) for limit in (8, 11))
    row = label_agreement(small, large)[1]
    # Contours are known to the size of a voxel (0.5 mm, diagonal 0.87 mm).
    assert row.hd == pytest.approx(3, abs=0.87)
    assert row.assd == pytest.approx(3, abs=0.25)
    assert row.volume_ratio == pytest.approx((11 / 8) ** 3, rel=0.02)
    assert row.dice == pytest.approx(2 * 8**3 / (8**3 + 11**3), rel=0.02)


def test_the_worst_point_is_where_the_contours_are_farthest_apart(grid):
    data = np.zeros(grid.shape, dtype=np.uint8)
    data[5:10, 10:20, 10:20] = 3
    fixed = LabelVolume(data.copy(), grid)
    data[15, 30, 42] = 3
    row = label_agreement(fixed, LabelVolume(data, grid))[3]
    spur = grid.to_points([[42, 30, 15]])[0]
    np.testing.assert_allclose(row.worst_point, spur, atol=1e-9)
    nearest = grid.to_points([[19, 19, 9]])[0]
    assert row.hd == pytest.approx(np.linalg.norm(spur - nearest))


def test_empty_labels_have_no_distances():
    fixed, warped = cubes((5, 6, 7), (5, 6, 7))
    nothing = LabelVolume(np.zeros_like(fixed.data), fixed.grid)
    row = label_agreement(fixed, nothing)[1]
    assert (row.dice, row.volume_ratio, row.assd, row.hd95, row.hd, row.worst_point) == (0, 0, *[None] * 4)
    row = label_agreement(nothing, warped, labels=[1])[1]
    assert (row.dice, row.volume_ratio, row.hd) == (0, None, None)
    row = label_agreement(fixed, warped, labels=[9])[9]
    assert (row.dice, row.volume_ratio, row.hd) == (0, None, None)
    assert label_agreement(nothing, warped) == {}


def test_labels_at_the_border_of_the_volume():
    # A voxel at the border of the volume has a neighbour outside: a full volume has its contour there.
    full = LabelVolume(np.ones((4, 5, 6), np.uint8), ImageGrid((6, 5, 4)))
    core = np.zeros((4, 5, 6), np.uint8)
    core[1:3, 1:4, 1:5] = 1
    row = label_agreement(full, LabelVolume(core, full.grid))[1]
    assert row.hd == pytest.approx(np.sqrt(3))
    assert row.hd95 <= row.hd


@pytest.mark.filterwarnings("ignore:.*:FutureWarning:monai")
def test_monai_measures_the_same(fixed, warped):
    import torch
    from monai import metrics

    masks = [
        torch.from_numpy(np.stack([volume.data == label for label in (0, 2, 5)]))[None].float()
        for volume in (warped, fixed)
    ]
    spacing = list(fixed.grid.spacing[::-1])
    # MONAI's contour is the mask without its erosion, as ours; its voxels are ordered (z, y, x) here.
    assd = metrics.compute_average_surface_distance(*masks, symmetric=True, spacing=spacing)[0]
    hd = metrics.compute_hausdorff_distance(*masks, spacing=spacing)[0]
    hd95 = metrics.compute_hausdorff_distance(*masks, percentile=95, spacing=spacing)[0]
    dice = metrics.compute_dice(*masks, include_background=False)[0]
    for place, row in enumerate(label_agreement(fixed, warped).values()):
        # MONAI computes in float32.
        np.testing.assert_allclose(
            [row.assd, row.hd, row.hd95, row.dice],
            [float(values[place]) for values in (assd, hd, hd95, dice)],
            rtol=1e-5,
        )
        assert row.assd > 0.1


def ask_the_judge(judge, *arguments):
    done = subprocess.run(
        [sys.executable, judge, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def assert_as_judged(rows, judged):
    assert {str(label) for label in rows} == set(judged)
    for label, row in rows.items():
        for name in ("dice", "assd", "hd95", "hd"):
            ours, theirs = getattr(row, name), judged[str(label)][name]
            assert ours == (theirs if theirs is None else pytest.approx(theirs, abs=ROUNDING)), (label, name)


def test_the_judge_finds_the_same(tmp_path, judge, fixed, warped):
    write_labels(fixed, tmp_path / "fixed.nii.gz")
    write_labels(warped, tmp_path / "warped.nii.gz")
    judged = ask_the_judge(
        judge,
        "--fixed",
        tmp_path / "fixed.nii.gz",
        "--warped",
        tmp_path / "warped.nii.gz",
        "--labels",
        "2,5,7",
    )
    assert_as_judged(label_agreement(fixed, warped, labels=(2, 5, 7)), judged["labels"])


@pytest.mark.slow
def test_the_judge_finds_the_same_on_the_knees(tmp_path, judge, oai_folder):
    fixed, moving = (read_labels(oai_folder / f"OAI_{knee}.nii.gz") for knee in "ba")
    shift = affine_transform(np.eye(3), [6.0, 2.0, -40.0])
    write_transform(shift, tmp_path / "shift.h5")
    judged = ask_the_judge(
        judge,
        *("--fixed", oai_folder / "OAI_b.nii.gz", "--moving", oai_folder / "OAI_a.nii.gz"),
        *("--transform", tmp_path / "shift.h5"),
    )
    rows = label_agreement(fixed, resample_labels(moving, fixed.grid, shift))
    assert_as_judged(rows, judged["labels"])
    assert rows[1].dice > 0.01


def test_volumes_on_different_grids_are_refused():
    (fixed,) = cubes((5, 6, 7))
    moved = LabelVolume(fixed.data, ImageGrid(fixed.grid.size, origin=(0.5, 0, 0)))
    with pytest.raises(InputError, match=r"corners up to 0\.5 mm"):
        label_agreement(fixed, moved)
    with pytest.raises(InputError, match="sizes"):
        label_agreement(fixed, cubes((1, 1, 1), size=(20, 20, 16))[0])
    rounded = sitk.GetImageFromArray(fixed.data)
    rounded.SetOrigin((1e-6, 0, 0))  # what a NIfTI header does to an origin
    assert label_agreement(fixed, LabelVolume.from_image(rounded))[1].dice == 1
