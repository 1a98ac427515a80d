from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from napari.layers import Layer, Points, Surface, Vectors

from napari_shapereg.errors import ShapeRegError
from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.layers import (
    image_layer,
    labels_layer,
    points_layer,
    surface_layer,
    vectors_layer,
)
from napari_shapereg.plugin.transform_preview import transform_layer
from napari_shapereg.transforms import (
    displacement_transform,
    read_points,
    read_transform,
    transform_points,
)
from napari_shapereg.volumes import ImageGrid, read_labels

PLUGIN = "napari-shapereg"


def added(viewer, layer_data) -> Layer:
    return viewer.add_layer(Layer.create(*layer_data))


def saved(layer, path):
    assert layer.save(str(path), plugin=PLUGIN) == [str(path)]
    return path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".seg.nrrd", ".mha", ".mhd"])
def test_labels_are_saved_where_they_lie(viewer, turned, tmp_path, ending):
    layer = added(viewer, labels_layer(turned, "knee"))

    back = read_labels(saved(layer, tmp_path / f"saved{ending}"))

    np.testing.assert_array_equal(back.data, turned.data)
    # NIfTI keeps 32-bit numbers
    np.testing.assert_allclose(back.grid.corners(), turned.grid.corners(), atol=1e-4)
    if not ending.startswith(".nii"):
        assert back.names == turned.names
        assert back.colors == turned.colors


def test_what_was_painted_is_what_is_saved(viewer, turned, tmp_path):
    layer = added(viewer, labels_layer(turned))
    layer.data_setitem((np.array([0]), np.array([1]), np.array([2])), 9)

    assert 9 in read_labels(saved(layer, tmp_path / "painted.nii.gz")).labels


@pytest.mark.parametrize("kind", ["float32", "float16", "bool", "int16"])
def test_an_image_is_saved_where_it_lies(viewer, turned, tmp_path, kind):
    grid = turned.grid
    values = np.random.default_rng(3).integers(0, 2, grid.shape).astype(kind)
    layer = added(viewer, image_layer(values, grid=grid))

    image = sitk.ReadImage(str(saved(layer, tmp_path / "scan.nrrd")))

    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), values)
    np.testing.assert_allclose(ImageGrid.from_image(image).corners(), grid.corners(), atol=1e-9)


@pytest.mark.parametrize("ending", [".vtk", ".ply"])
def test_points_and_surfaces_are_saved_in_lps(viewer, turned, tmp_path, ending):
    grid = turned.grid
    frame, corners = frame_of(grid), grid.corners()
    faces = np.array([[0, 1, 2], [1, 3, 2]])

    cloud = read_points(saved(added(viewer, points_layer(corners, frame)), tmp_path / f"points{ending}"))
    mesh = read_points(
        saved(added(viewer, surface_layer(corners, faces, frame)), tmp_path / f"surface{ending}")
    )

    np.testing.assert_allclose(cloud.points, corners, atol=1e-4)
    np.testing.assert_allclose(mesh.points, corners, atol=1e-4)
    np.testing.assert_array_equal(mesh.cells[0].indices.reshape(-1, 3), faces)


def test_a_scaled_and_moved_layer_of_points_is_saved_where_it_is_drawn(viewer, tmp_path):
    layer = viewer.add_points([[1.0, 2.0, 3.0]], scale=(2, 2, 2), translate=(10, 0, 0), units=("cm",) * 3)

    cloud = read_points(saved(layer, tmp_path / "points.vtk"))

    np.testing.assert_allclose(cloud.points, [[60.0, 40.0, 120.0]])


@pytest.mark.parametrize("ending", [".vtk", ".csv"])
def test_arrows_are_saved_as_they_are_drawn(viewer, turned, tmp_path, ending):
    grid = turned.grid
    feet, arrows = grid.corners()[:3], np.array([[1.0, 0, 0], [0, -2, 0], [0, 0, 3]])
    layer = added(viewer, vectors_layer(feet, arrows, frame_of(grid)))
    layer.length = 2

    path = saved(layer, tmp_path / f"arrows{ending}")

    np.testing.assert_allclose(read_points(path).points, feet, atol=1e-4)
    if ending == ".csv":
        written = np.genfromtxt(path, delimiter=",", names=True)
        np.testing.assert_allclose(
            np.stack([written["dx"], written["dy"], written["dz"]], 1), 2 * arrows, atol=1e-4
        )


@pytest.mark.parametrize("ending", [".h5", ".tfm"])
def test_the_transform_of_a_result_is_saved_from_its_warped_labels(viewer, turned, tmp_path, ending):
    class Result:
        transform = sitk.TranslationTransform(3, (1.0, 2.0, 3.0))

    layer = added(viewer, labels_layer(turned, result=Result()))

    transform = read_transform(saved(layer, tmp_path / f"map{ending}"))

    assert transform.TransformPoint((0.0, 0.0, 0.0)) == (1.0, 2.0, 3.0)


def test_an_opened_transform_is_saved_from_its_arrows(viewer, turned, tmp_path):
    grid = turned.grid
    field = np.random.default_rng(5).normal(size=(*grid.shape, 3))
    transform = displacement_transform(field, grid)
    layer = added(viewer, transform_layer(transform, "map"))

    back = read_transform(saved(layer, tmp_path / "map.h5"))

    inside = grid.to_points([[3.2, 4.1, 2.7]])
    np.testing.assert_array_equal(transform_points(back, inside), transform_points(transform, inside))


def test_labels_without_a_transform_say_which_layer_has_one(viewer, turned, tmp_path):
    layer = added(viewer, labels_layer(turned, "fixed"))

    with pytest.raises(ShapeRegError, match=r"'fixed' carries no transform: choose the warped labels"):
        layer.save(str(tmp_path / "map.h5"), plugin=PLUGIN)


def test_in_a_window_the_reason_is_told(viewer, turned, tmp_path, monkeypatch, notices):
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    layer = added(viewer, labels_layer(turned, "fixed"))

    with pytest.warns(UserWarning, match="did not return any written paths"):
        assert layer.save(str(tmp_path / "map.h5"), plugin=PLUGIN) == []

    assert "carries no transform" in notices[0].message


def test_the_plugin_is_chosen_by_the_ending_alone(viewer, turned, tmp_path):
    layer = added(viewer, labels_layer(turned, "fixed"))

    assert layer.save(str(tmp_path / "labels.nii.gz")) == [str(tmp_path / "labels.nii.gz")]


# -------------------------------------------------------------------------- layers that were made by hand


def test_points_clicked_on_a_volume_are_saved_where_they_were_clicked(viewer, turned, tmp_path, monkeypatch):
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    over = added(viewer, labels_layer(turned))
    layer = viewer.add_points([over.data_to_world((2, 3, 4))])

    cloud = read_points(saved(layer, tmp_path / "landmark.vtk"))

    np.testing.assert_allclose(cloud.points, turned.grid.to_points([[4, 3, 2]]), atol=1e-5)


def test_points_over_volumes_of_two_directions_are_not_guessed_about(
    viewer, turned, tmp_path, monkeypatch, notices
):
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    over = added(viewer, labels_layer(turned, "one"))
    grid = ImageGrid(turned.grid.size, direction=(0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    other = added(viewer, image_layer(turned.data, "other", grid=grid))
    layer = viewer.add_points([over.data_to_world((2, 3, 4))], name="landmarks")

    with pytest.warns(UserWarning, match="did not return any written paths"):
        layer.save(str(tmp_path / "landmark.vtk"), plugin=PLUGIN)
    assert "'landmarks' was drawn over one of 'one', 'other'" in notices[0].message

    other.visible = False
    cloud = read_points(saved(layer, tmp_path / "landmark.vtk"))
    np.testing.assert_allclose(cloud.points, turned.grid.to_points([[4, 3, 2]]), atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        Points(np.zeros((1, 2))),
        Surface((np.eye(3)[:, :2], np.array([[0, 1, 2]]))),
        Vectors(np.zeros((1, 2, 2))),
    ],
)
def test_layers_in_the_plane_are_refused(shapereg, layer, tmp_path):
    with pytest.raises(ShapeRegError, match="2-D; a 3-D layer is needed"):
        layer.save(str(tmp_path / "flat.vtk"), plugin=PLUGIN)
