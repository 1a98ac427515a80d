from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk
from napari.layers import Image, Labels, Points, Surface, Vectors
from qtpy.QtCore import QTimer

from napari_shapereg.errors import ShapeRegError
from napari_shapereg.plugin import readers
from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.layers import METADATA, arrows_of, frame_of_layer, points_of, volume_of
from napari_shapereg.transforms import (
    Cells,
    PointSet,
    affine_transform,
    chain,
    displacement_transform,
    transform_points,
    write_displacement,
    write_points,
    write_transform,
)
from napari_shapereg.volumes import ImageGrid, LabelVolume, sample_path, write_labels
from napari_shapereg.volumes.images import write_image

PLUGIN = "napari-shapereg"
ENDINGS = (".nii", ".nii.gz", ".nrrd", ".seg.nrrd", ".mha", ".mhd")


def opened(viewer, path):
    (layer,) = viewer.open(path, plugin=PLUGIN)
    return layer


# --------------------------------------------------------------------------------------------- volumes


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_of_labels_opens_as_labels_where_it_lies(viewer, turned, tmp_path, ending):
    path = write_labels(turned, tmp_path / f"knee{ending}")

    layer = opened(viewer, path)

    assert isinstance(layer, Labels)
    assert layer.name == "knee"
    back = volume_of(layer)
    np.testing.assert_array_equal(back.data, turned.data)
    # NIfTI keeps 32-bit numbers
    np.testing.assert_allclose(back.grid.corners(), turned.grid.corners(), atol=1e-4)
    if not ending.startswith(".nii"):
        assert back.names == turned.names
        assert back.colors == turned.colors


def test_the_window_lives_while_a_file_is_read(monkeypatch, viewer, qtbot, tmp_path):
    seen = []

    def slow(path, frame):
        deadline = time.monotonic() + 10
        while not seen and time.monotonic() < deadline:
            time.sleep(0.01)
        return [(np.zeros((2, 2, 2), dtype=int), {}, "labels")]

    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    monkeypatch.setattr(readers, "read", slow)
    QTimer.singleShot(0, lambda: seen.append("the window drew"))

    assert len(readers.read_told(str(tmp_path / "a.nii"))) == 1
    assert seen


def test_the_true_grid_survives_to_the_last_bit(viewer, volume, tmp_path):
    layer = opened(viewer, write_labels(volume, tmp_path / "knee.nrrd"))

    back = volume_of(layer).grid

    np.testing.assert_allclose(back.direction, volume.grid.direction, atol=1e-15)
    assert back.spacing == pytest.approx(volume.grid.spacing, rel=1e-15)
    assert back.origin == pytest.approx(volume.grid.origin, rel=1e-15)


def test_two_volumes_of_one_direction_overlay(viewer, grid, volume, tmp_path):
    other = LabelVolume(
        np.ones((4, 6, 5), dtype=np.uint8), ImageGrid((5, 6, 4), (1.1, 0.9, 0.8), (12, -7, 3), grid.direction)
    )
    layers = [
        opened(viewer, write_labels(volume, tmp_path / "one.nrrd")),
        opened(viewer, write_labels(other, tmp_path / "two.nrrd")),
    ]
    frame = frame_of_layer(layers[0])

    for layer, shown in zip(layers, (volume, other), strict=True):
        for index in [(0, 0, 0), (3, 5, 4)]:
            physical = frame.to_physical([layer.data_to_world(index)])
            np.testing.assert_allclose(physical, shown.grid.to_points([index[::-1]]), atol=1e-6)


@pytest.mark.parametrize("kind", ["float32", "int16", "uint8"])
def test_an_intensity_image_opens_as_an_image_where_it_lies(viewer, turned, tmp_path, kind):
    grid = turned.grid
    values = np.random.default_rng(7).integers(0, 200, grid.shape).astype(kind)
    path = write_image(grid.stamp(sitk.GetImageFromArray(values)), tmp_path / "scan.nii.gz")

    layer = opened(viewer, path)

    assert isinstance(layer, Image)
    np.testing.assert_array_equal(layer.data, values)
    physical = frame_of_layer(layer).to_physical([layer.data_to_world((6, 5, 4))])
    np.testing.assert_allclose(physical, grid.to_points([[4, 5, 6]]), atol=1e-4)


def test_opened_labels_can_be_painted_on(viewer, turned, tmp_path):
    layer = opened(viewer, write_labels(turned, tmp_path / "knee.mha"))

    layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), 5)

    assert 5 in volume_of(layer).labels


def test_several_files_are_opened_one_by_one_not_stacked(viewer, turned, tmp_path):
    paths = [write_labels(turned, tmp_path / name) for name in ("a.mha", "b.mha")]

    assert len(viewer.open(paths, plugin=PLUGIN)) == 2
    with pytest.raises(ShapeRegError, match="2 files cannot be stacked"):
        viewer.open(paths, plugin=PLUGIN, stack=True)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.nii.gz", b"no gzip", "a.nii.gz"),
        ("b.nrrd", b"NRRD0004\n", "b.nrrd"),
        ("c.h5", b"\x89HDF\r\n\x1a\n", "HDF5 header is damaged"),
        ("d.tfm", b"nothing\n", "no 'Name: values'"),
        ("e.vtk", b"nothing\n", "legacy VTK"),
        ("f.ply", b"nothing\n", "f.ply"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name(viewer, tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ShapeRegError, match=reason):
        viewer.open(tmp_path / name, plugin=PLUGIN)


def test_in_a_window_the_reason_is_told_and_nothing_is_opened(monkeypatch, viewer, tmp_path, notices):
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    (tmp_path / "a.nrrd").write_bytes(b"no nrrd")

    assert viewer.open(tmp_path / "a.nrrd", plugin=PLUGIN) == []
    assert "a.nrrd" in notices[0].message


def test_other_files_are_left_to_other_plugins(tmp_path):
    assert readers.get_reader(str(tmp_path / "a.tif")) is None
    assert readers.get_reader(str(tmp_path)) is None
    assert readers.get_reader([str(tmp_path / "A.NII.GZ")]) is not None


def test_a_first_file_does_not_wait_for_torch():
    path = sample_path("knee_a.nii.gz")
    script = (
        "import sys; from napari_shapereg.plugin.readers import get_reader;"
        f"get_reader({str(path)!r})({str(path)!r});"
        "print('torch' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False"]


# ------------------------------------------------------------------------------------------ transforms


def bump(grid: ImageGrid) -> sitk.CompositeTransform:
    """A field and then a shift, as registration writes them: fixed to moving."""
    field = np.zeros((*grid.shape, 3))
    field[2:5, 2:6, 2:7] = (1.0, -2.0, 0.5)
    return chain(displacement_transform(field, grid), affine_transform(np.eye(3), (3.0, 0.0, 0.0)))


@pytest.mark.parametrize("name", ["map.h5", "map.tfm"])
def test_a_transform_opens_as_arrows_from_points_to_where_it_carries_them(viewer, turned, tmp_path, name):
    grid = turned.grid
    transform = bump(grid)
    write_transform(transform, tmp_path / name)

    layer = opened(viewer, tmp_path / name)

    assert isinstance(layer, Vectors)
    feet, arrows = arrows_of(layer)
    np.testing.assert_allclose(feet + arrows, transform_points(transform, feet), atol=1e-4)
    assert len(feet) == grid.voxels
    np.testing.assert_allclose(layer.features["length_mm"], np.linalg.norm(arrows, axis=1), atol=1e-4)
    carried = layer.metadata[METADATA]["transform"]
    np.testing.assert_allclose(transform_points(carried, feet[:3]), feet[:3] + arrows[:3], atol=1e-4)


def test_a_large_transform_is_thinned_evenly(turned):
    grid = turned.grid
    field = np.ones((40, 40, 40, 3))
    transform = displacement_transform(field, ImageGrid((40, 40, 40), direction=grid.direction))

    data, _, _ = readers.transform_layer(transform, "map", most=1000)

    assert 500 < len(data) <= 1000
    # the thinned nodes are spread over the whole field
    assert np.ptp(data[:, 0], axis=0).min() > 30


def test_a_displacement_image_opens_as_arrows(viewer, turned, tmp_path):
    grid = turned.grid
    transform = bump(grid)
    write_displacement(transform, grid, tmp_path / "displacement.nii.gz")

    layer = opened(viewer, tmp_path / "displacement.nii.gz")

    assert isinstance(layer, Vectors)
    feet, arrows = arrows_of(layer)
    np.testing.assert_allclose(feet + arrows, transform_points(transform, feet), atol=1e-3)


def test_a_linear_map_has_no_place_to_be_drawn_and_the_refusal_says_where_to_use_it(viewer, tmp_path):
    write_transform(affine_transform(np.eye(3), (1.0, 2.0, 3.0)), tmp_path / "rigid.tfm")

    with pytest.raises(ShapeRegError, match=r"linear map .* Apply a transform"):
        viewer.open(tmp_path / "rigid.tfm", plugin=PLUGIN)


# ---------------------------------------------------------------------------------------------- meshes


@pytest.mark.parametrize("ending", [".vtk", ".ply"])
def test_a_mesh_opens_as_a_surface_in_lps(viewer, tmp_path, ending):
    square = np.array([[0, 0, 0], [10, 0, 0], [10, 20, 0], [0, 20, 5.0]])
    quad = Cells("polygons", np.array([4]), np.arange(4))
    write_points(PointSet(square, (quad,)), tmp_path / f"mesh{ending}")

    layer = opened(viewer, tmp_path / f"mesh{ending}")

    assert isinstance(layer, Surface)
    np.testing.assert_allclose(points_of(layer), square, atol=1e-5)
    np.testing.assert_array_equal(layer.data[1], [[0, 1, 2], [0, 2, 3]])


def test_a_strip_turns_every_second_triangle():
    strip = PointSet(np.zeros((5, 3)), (Cells("strips", np.array([5]), np.arange(5)),))

    np.testing.assert_array_equal(readers.triangles(strip), [[0, 1, 2], [1, 3, 2], [2, 3, 4]])


def test_points_without_faces_open_as_points(viewer, tmp_path):
    cloud = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, -6.0]])
    write_points(PointSet(cloud), tmp_path / "cloud.vtk")

    layer = opened(viewer, tmp_path / "cloud.vtk")

    assert isinstance(layer, Points)
    np.testing.assert_allclose(points_of(layer), cloud, atol=1e-5)


def test_a_mesh_lies_over_the_volume_that_is_open(monkeypatch, viewer, volume, tmp_path):
    corners = volume.grid.corners()
    write_points(PointSet(corners), tmp_path / "corners.vtk")
    over = opened(viewer, write_labels(volume, tmp_path / "knee.nrrd"))
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)

    layer = opened(viewer, tmp_path / "corners.vtk")

    np.testing.assert_allclose(points_of(layer), corners, atol=1e-5)
    # on the screen they are the corners of the layer: half a voxel out, along napari's axes
    half = np.abs(over.scale) / 2
    low, high = over.extent.world
    np.testing.assert_allclose(np.min(layer.data, axis=0), low - half, atol=1e-4)
    np.testing.assert_allclose(np.max(layer.data, axis=0), high + half, atol=1e-4)


# --------------------------------------------------------------------------------------------- results


@pytest.fixture(scope="module")
def result_folder(tmp_path_factory):
    from napari_shapereg.registration import RegistrationSettings, register
    from napari_shapereg.volumes.phantoms import ball_volume

    folder = tmp_path_factory.mktemp("result")
    grid = ImageGrid((24, 22, 20), (1.0, 1.1, 1.2), (5.0, 6.0, 7.0), (0, 0, 1, 1, 0, 0, 0, -1, 0))
    center = grid.to_points([[11, 10, 9]])[0]
    write_labels(ball_volume(grid, np.add(center, (2, 1, -1)), 5.0), folder / "moving.nrrd")
    write_labels(ball_volume(grid, center, 6.0), folder / "fixed.nrrd")
    settings = RegistrationSettings(linear="affine", measures=None, voxels=None)
    result = register(folder / "moving.nrrd", folder / "fixed.nrrd", settings=settings)
    result.save(folder / "out", report=False)
    return folder / "out"


def test_the_folder_of_a_result_opens_as_the_pair_and_the_warped_labels(viewer, result_folder):
    layers = viewer.open(result_folder, plugin=PLUGIN)

    assert [layer.name for layer in layers] == ["out: fixed", "out: moving (before)", "out: warped"]
    assert [layer.visible for layer in layers] == [True, False, True]
    result = layers[2].metadata[METADATA]["result"]
    assert result.fixed.grid == volume_of(layers[0]).grid
    assert {frame_of_layer(layer) for layer in layers} == {frame_of(result.fixed.grid)}


def test_a_result_whose_volumes_are_gone_still_shows_its_warped_labels(viewer, result_folder, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in result_folder.iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    metrics = json.loads((moved / "metrics.json").read_text())
    metrics["provenance"]["fixed"]["source"] = str(tmp_path / "gone.nrrd")
    (moved / "metrics.json").write_text(json.dumps(metrics))

    with pytest.warns(UserWarning, match=r"no longer at .*gone\.nrrd.*Only the warped labels"):
        (layer,) = viewer.open(moved, plugin=PLUGIN)

    assert layer.name == "moved: warped"


def test_a_folder_that_only_looks_like_a_result_is_refused(viewer, tmp_path):
    for name in readers.RESULT_FILES:
        (tmp_path / name).write_text("{}")

    with pytest.raises(ShapeRegError, match=r"settings\.json"):
        viewer.open(tmp_path, plugin=PLUGIN)


# ----------------------------------------------------------------------------------------------- size


@pytest.mark.slow
def test_a_large_volume_opens_and_is_understood_in_seconds(viewer, tmp_path):
    data = np.zeros((400, 512, 512), dtype=np.uint8)
    for label in range(1, 21):
        data[15 * label : 15 * label + 40, 100:400, 20 * label : 20 * label + 60] = label
    path = write_labels(
        LabelVolume(data, ImageGrid((512, 512, 400), (0.4, 0.4, 0.5))), tmp_path / "large.mha"
    )

    began = time.perf_counter()
    layer = opened(viewer, path)
    reading = time.perf_counter() - began
    began = time.perf_counter()
    seen = volume_of(layer)
    labels = seen.labels
    understanding = time.perf_counter() - began

    assert labels == tuple(range(1, 21))
    assert np.shares_memory(seen.data, layer.data)
    # measured on two busy cores: 2.1 s and 0.15 s
    assert reading < 12
    assert understanding < 2
