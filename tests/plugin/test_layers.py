from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Surface, Vectors

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.display_frame import DisplayFrame, frame_of
from napari_shapereg.plugin.layers import (
    METADATA,
    adopt,
    frame_of_layer,
    image_layer,
    labels_layer,
    points_layer,
    shown_in,
    stem,
    surface_layer,
    vectors_layer,
    volume_of,
)
from napari_shapereg.volumes import ImageGrid, LabelVolume

IDENTITY = tuple(np.eye(3).ravel())


def made(layer_data) -> Layer:
    return Layer.create(*layer_data)


# ---------------------------------------------------------------------------------------------- labels


def test_a_volume_comes_back_from_its_layer(volume):
    layer = made(labels_layer(volume, "knee"))

    back = volume_of(layer)

    assert back.grid == volume.grid
    assert back.names == volume.names
    assert back.colors == volume.colors
    np.testing.assert_array_equal(back.data, volume.data)
    assert frame_of_layer(layer) == frame_of(volume.grid)


def test_a_layer_shows_its_voxels_where_they_lie(volume):
    layer = made(labels_layer(volume))
    frame = frame_of_layer(layer)

    for index in [(0, 0, 0), (2, 5, 1), (6, 7, 8)]:
        physical = frame.to_physical([layer.data_to_world(index)])
        np.testing.assert_allclose(physical, volume.grid.to_points([index[::-1]]), atol=1e-6)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("z", "y", "x")


def test_no_copy_is_made_on_the_way_there_and_back(turned):
    layer = made(labels_layer(turned, copy=False))

    assert np.shares_memory(layer.data, turned.data)
    assert np.shares_memory(volume_of(layer).data, turned.data)
    assert not np.shares_memory(volume_of(layer, copy=True).data, turned.data)


def test_colours_show_on_the_voxels(turned):
    layer = made(labels_layer(turned))

    np.testing.assert_allclose(layer.get_color(3), [0.1, 0.5, 0.9, 1.0], atol=1e-6)


def test_labels_join_a_3d_view_in_which_the_mouse_rests(turned):
    viewer = ViewerModel(ndisplay=3)
    viewer.mouse_over_canvas = True

    viewer.add_layer(made(labels_layer(turned)))

    assert "labels" in viewer.layers


def test_labels_without_a_colour_get_one_where_others_have_theirs(turned):
    half = LabelVolume(turned.data, turned.grid, colors={1: (1.0, 0.0, 0.0)})

    layer = made(labels_layer(half))

    assert layer.get_color(3)[3] == 1


def test_a_layer_is_named_like_its_file(turned):
    read = LabelVolume(turned.data, turned.grid, source=Path("folder") / "left.knee.nii.gz")

    assert labels_layer(read)[1]["name"] == "left.knee"
    assert stem("a.seg.nrrd") == "a"
    assert stem("a.b.mha") == "a.b"


def test_a_result_and_other_metadata_are_kept(turned):
    layer = made(labels_layer(turned, result="the result", metadata={"mine": 1}))

    assert layer.metadata[METADATA]["result"] == "the result"
    assert layer.metadata["mine"] == 1


def test_a_volume_of_another_direction_is_shown_as_it_lies(volume):
    frame = DisplayFrame((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    with pytest.raises(InputError, match="direction"):
        labels_layer(volume, frame=frame)

    shown = shown_in(volume, frame)
    labels_layer(shown, frame=frame)

    # each voxel shown has the label of the voxel that lies there
    z, y, x = np.nonzero(shown.data)
    there = np.rint(volume.grid.to_indices(shown.grid.to_points(np.stack([x, y, z], axis=1)))).astype(int)
    np.testing.assert_array_equal(shown.data[z, y, x], volume.data[tuple(there[:, ::-1].T)])
    assert set(shown.labels) == set(volume.labels)
    assert shown_in(volume, frame_of(volume.grid)) is volume


# ----------------------------------------------------------------------------- layers that were changed


def test_a_layer_moved_by_the_user_is_taken_where_it_lies_now(volume):
    layer = made(labels_layer(volume))
    layer.translate = np.add(layer.translate, (0.0, 0.0, 5.0))
    layer.scale = np.array(layer.scale) * 2

    with pytest.warns(UserWarning, match="'labels' was moved"):
        back = volume_of(layer)

    assert back.grid.direction == pytest.approx(volume.grid.direction)
    assert back.grid.spacing == pytest.approx(np.array(volume.grid.spacing) * 2)
    along_x = np.reshape(volume.grid.direction, (3, 3))[:, 0]
    np.testing.assert_allclose(back.grid.origin, volume.grid.origin + 5 * along_x, atol=1e-9)


def test_a_cropped_layer_keeps_the_place_of_its_voxels(volume):
    layer = made(labels_layer(volume))
    kept = Labels(
        np.asarray(layer.data)[1:, 2:, 3:],
        scale=layer.scale,
        translate=layer.data_to_world((1, 2, 3)),
        units=layer.units,
        metadata=layer.metadata,
    )

    with pytest.warns(UserWarning, match="cropped"):
        back = volume_of(kept)

    expected = volume.grid.cropped((3, 2, 1), (6, 6, 6))
    np.testing.assert_allclose(back.grid.corners(), expected.corners(), atol=1e-9)


def test_a_rotated_layer_is_taken_where_it_lies_and_adopted_there(volume):
    layer = made(labels_layer(volume))
    frame = frame_of(volume.grid)
    with pytest.warns(UserWarning, match="Non-orthogonal slicing"):
        layer.rotate = (20.0, -10.0, 30.0)
    with pytest.warns(UserWarning, match="Non-orthogonal slicing"):
        layer.affine = np.array([[0, 1, 0, 3], [1, 0, 0, -4], [0, 0, -1, 5], [0, 0, 0, 1.0]])
    indices = np.array([[0, 0, 0], [6, 5, 4], [1, 7, 2]])
    lies = frame.to_physical([layer.data_to_world(index) for index in indices])

    with pytest.warns(UserWarning, match="moved"):
        grid = volume_of(layer).grid
    np.testing.assert_allclose(grid.to_points(indices[:, ::-1]), lies, atol=1e-9)

    with pytest.warns(UserWarning, match="moved"):
        assert adopt(layer)
    shown = frame_of_layer(layer).to_physical([layer.data_to_world(index) for index in indices])
    np.testing.assert_allclose(shown, lies, atol=1e-9)
    assert volume_of(layer).grid == grid
    assert not adopt(layer)


def test_a_painted_layer_gives_what_was_painted(turned):
    layer = made(labels_layer(turned))
    before = turned.data.copy()
    layer.n_edit_dimensions = 3

    layer.fill((2, 3, 3), 7)

    assert volume_of(layer).labels == (3, 7)
    np.testing.assert_array_equal(turned.data, before)


# ------------------------------------------------------------------------------ layers of other readers


def test_a_layer_of_napari_itself_lies_in_lps_reversed(turned):
    layer = Labels(np.asarray(turned.data), scale=(3.0, 2.0, 0.5), translate=(1.0, 2.0, 3.0))

    grid = volume_of(layer).grid

    assert grid == ImageGrid((9, 8, 7), (0.5, 2.0, 3.0), (3.0, 2.0, 1.0))
    assert frame_of_layer(layer) == DisplayFrame(IDENTITY)


@pytest.mark.parametrize(("unit", "factor"), [("um", 1e-3), ("nm", 1e-6), ("cm", 10.0), ("m", 1000.0)])
def test_other_units_of_length_become_millimetres(turned, unit, factor):
    layer = Labels(
        np.asarray(turned.data), scale=(3.0, 2.0, 0.5), translate=(1.0, 2.0, 3.0), units=(unit,) * 3
    )

    grid = volume_of(layer).grid

    np.testing.assert_allclose(grid.spacing, factor * np.array([0.5, 2.0, 3.0]), rtol=1e-12)
    np.testing.assert_allclose(grid.origin, factor * np.array([3.0, 2.0, 1.0]), rtol=1e-12)


def test_mirrored_axes_are_understood(turned):
    layer = Labels(np.asarray(turned.data), scale=(-3.0, 2.0, 0.5))

    grid = volume_of(layer).grid

    assert grid.spacing == (0.5, 2.0, 3.0)
    assert grid.direction == (1, 0, 0, 0, 1, 0, 0, 0, -1)


def test_napari_niftis_true_matrix_is_used_and_its_layer_adopted(volume):
    # As napari-nifti 0.0.20 hands an oblique volume to napari: unrotated and flipped to the radiological
    # view; the true matrix, from the reversed voxel index to RAS mm, is in the metadata.
    affine = np.eye(4)
    affine[:3, :3] = np.diag([-1, -1, 1]) @ volume.grid.matrix
    affine[:3, 3] = np.array([-1, -1, 1]) * volume.grid.origin
    layer = Image(
        np.asarray(volume.data),
        scale=-np.array(volume.grid.spacing[::-1]),
        translate=(50.0, 60.0, 70.0),
        metadata={"affine": affine, "spacing": (0, 0, 0)},
    )

    np.testing.assert_allclose(volume_of(layer).grid.corners(), volume.grid.corners(), atol=1e-9)

    assert adopt(layer)
    assert not adopt(layer)
    frame = frame_of_layer(layer)
    physical = frame.to_physical([layer.data_to_world((5, 1, 2))])
    np.testing.assert_allclose(physical, volume.grid.to_points([[2, 1, 5]]), atol=1e-9)


def test_metadata_that_contradict_the_layer_are_not_guessed_about(turned):
    layer = Labels(np.asarray(turned.data), scale=(1, 1, 9), metadata={"affine": np.eye(4)})

    with pytest.raises(InputError, match=r"another size .* open its file with napari-shapereg"):
        volume_of(layer)


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: Labels(np.ones((4, 5), dtype=int), name="it"), "3-D volume is needed"),
        (lambda: Labels(np.ones((2, 3, 4, 5), dtype=int), name="it"), "split the stack"),
        (lambda: Labels(np.zeros((3, 4, 5), dtype=int), name="it"), "no labelled voxel"),
        (lambda: Labels(np.ones((3, 4, 5), dtype=int), name="it", shear=(0.3, 0, 0)), "sheared"),
        (lambda: Labels(np.ones((3, 4, 5), dtype=int), name="it", units=("s", "mm", "mm")), "no length"),
        (lambda: Labels(np.full((3, 4, 5), -1), name="it"), "negative value -1"),
        (lambda: Image(np.full((3, 4, 5), 0.5), name="it"), "intensity or probability"),
        (lambda: Points(np.zeros((2, 3)), name="it"), "this is a points layer; choose a labels layer"),
        (
            lambda: Labels([np.ones((8, 8, 8), int), np.ones((4, 4, 4), int)], name="it", multiscale=True),
            r"layer\.data\[0\]",
        ),
    ],
)
def test_what_is_no_label_volume_is_refused_with_its_name_and_a_remedy(layer, reason):
    with pytest.raises(InputError, match=f"layer 'it': .*{reason}"):
        volume_of(layer())


# --------------------------------------------------------------------------------- the other layer types


def test_an_image_lies_where_its_labels_do(grid):
    array = np.random.default_rng(1).normal(size=grid.shape).astype(np.float32)
    image = grid.stamp(sitk.GetImageFromArray(array))

    layer = made(image_layer(image, "scan"))

    assert isinstance(layer, Image)
    np.testing.assert_array_equal(layer.data, array)
    assert frame_of_layer(layer) == frame_of(grid)
    physical = frame_of(grid).to_physical([layer.data_to_world((1, 2, 3))])
    np.testing.assert_allclose(physical, grid.to_points([[3, 2, 1]]), atol=1e-6)
    assert np.shares_memory(image_layer(array, grid=grid)[0], array)


def test_an_array_needs_a_grid_that_fits():
    with pytest.raises(InputError, match="grid="):
        image_layer(np.zeros((2, 3, 4)))
    with pytest.raises(InputError, match=r"\(2, 3, 4\)"):
        image_layer(np.zeros((2, 3, 4)), grid=ImageGrid((2, 3, 4)))


def test_points_surfaces_and_vectors_lie_where_they_should(grid):
    frame = frame_of(grid)
    corners = grid.corners()
    faces = np.array([[0, 1, 2], [1, 3, 2]])

    points = made(points_layer(corners, frame))
    surface = made(surface_layer(corners, faces, frame, values=np.arange(8.0)))
    vectors = made(vectors_layer(corners[:2], [[1, 0, 0], [0, 2, 0]], frame))

    assert isinstance(points, Points)
    assert isinstance(surface, Surface)
    assert isinstance(vectors, Vectors)
    np.testing.assert_allclose(frame.to_physical(points.data), corners, atol=1e-5)
    # napari keeps vertices and arrows in float32
    np.testing.assert_allclose(frame.to_physical(surface.data[0]), corners, atol=1e-5)
    np.testing.assert_array_equal(surface.data[1], faces)
    np.testing.assert_allclose(frame.turn_to_physical(vectors.data[:, 1]), [[1, 0, 0], [0, 2, 0]], atol=1e-5)
    assert vectors.vector_style == "arrow"
    for layer in (points, surface, vectors):
        assert frame_of_layer(layer) == frame
        assert [str(unit) for unit in layer.units] == ["millimeter"] * 3


def test_no_points_and_no_arrows_are_fine():
    frame = DisplayFrame(IDENTITY)

    assert made(points_layer(np.zeros((0, 3)), frame)).ndim == 3
    assert made(vectors_layer(np.zeros((0, 3)), np.zeros((0, 3)), frame)).ndim == 3


def test_an_arrow_too_few_is_refused():
    with pytest.raises(InputError, match="2 points"):
        vectors_layer(np.zeros((2, 3)), np.zeros((1, 3)), DisplayFrame(IDENTITY))
