from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_shapereg.plugin import commands
from napari_shapereg.plugin.display_frame import DisplayFrame, frame_of
from napari_shapereg.plugin.layers import (
    arrows_of,
    frame_of_layer,
    image_layer,
    labels_layer,
    points_layer,
    points_of,
    surface_layer,
    vectors_layer,
    volume_of,
)
from napari_shapereg.transforms import read_points
from napari_shapereg.volumes import ImageGrid, LabelVolume

OTHER = ImageGrid((12, 11, 10), (0.5, 0.5, 0.5), (-32.0, 44.0, 107.0), (0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))


def added(viewer, layer_data) -> Layer:
    return viewer.add_layer(Layer.create(*layer_data))


def select(viewer, *layers):
    viewer.layers.selection.clear()
    viewer.layers.selection.update(layers)


def test_volumes_of_two_directions_are_overlaid(viewer, turned):
    still = added(viewer, labels_layer(LabelVolume(np.ones(OTHER.shape, np.uint8), OTHER), "still"))
    moved = added(viewer, labels_layer(turned, "turned"))
    scan = added(viewer, image_layer(turned.data.astype(np.float32) - 5, "scan", grid=turned.grid))
    select(viewer, moved, scan, still)

    commands.overlay_selected(viewer)

    shown = viewer.layers["turned (as it lies)"]
    assert frame_of_layer(shown) == frame_of(OTHER)
    seen = volume_of(shown)
    z, y, x = np.nonzero(seen.data)
    there = np.rint(turned.grid.to_indices(seen.grid.to_points(np.stack([x, y, z], axis=1)))).astype(int)
    np.testing.assert_array_equal(seen.data[z, y, x], turned.data[tuple(there[:, ::-1].T)])
    image = viewer.layers["scan (as it lies)"]
    assert isinstance(image, Image)
    assert image.data.min() == -5
    assert frame_of_layer(image) == frame_of(OTHER)


def test_points_surfaces_and_vectors_are_overlaid(viewer, turned):
    frame, corners = frame_of(turned.grid), turned.grid.corners()
    still = added(viewer, labels_layer(LabelVolume(np.ones(OTHER.shape, np.uint8), OTHER), "still"))
    layers = [
        added(viewer, points_layer(corners, frame, "p", features={"n": range(8)})),
        added(viewer, surface_layer(corners, [[0, 1, 2]], frame, "s", values=np.arange(8.0))),
        added(viewer, vectors_layer(corners, corners / 9, frame, "v")),
    ]
    select(viewer, *layers, still)

    commands.overlay_selected(viewer)

    points, surface, vectors = (viewer.layers[f"{name} (as it lies)"] for name in "psv")
    np.testing.assert_allclose(points_of(points), corners, atol=1e-4)
    np.testing.assert_allclose(points_of(surface), corners, atol=1e-4)
    np.testing.assert_allclose(arrows_of(vectors)[1], corners / 9, atol=1e-4)
    assert {frame_of_layer(layer) for layer in (points, surface, vectors)} == {frame_of(OTHER)}
    assert list(points.features["n"]) == list(range(8))


def test_one_selected_layer_goes_over_the_lowest_volume(viewer, turned):
    viewer.add_points(np.zeros((1, 3)))
    added(viewer, labels_layer(LabelVolume(np.ones(OTHER.shape, np.uint8), OTHER), "still"))
    select(viewer, added(viewer, labels_layer(turned, "turned")))

    commands.overlay_selected(viewer)

    assert frame_of_layer(viewer.layers["turned (as it lies)"]) == frame_of(OTHER)


def test_one_layer_alone_cannot_be_overlaid(viewer, turned, notices):
    select(viewer, added(viewer, labels_layer(turned)))

    commands.overlay_selected(viewer)

    assert "select the layers to overlay" in notices[0].message


def test_layers_of_other_readers_are_placed(viewer, turned, notices):
    affine = np.eye(4)
    affine[:3, :3] = np.diag([-1, -1, 1]) @ turned.grid.matrix
    affine[:3, 3] = np.array([-1, -1, 1]) * turned.grid.origin
    layer = viewer.add_image(
        np.asarray(turned.data),
        name="scan",
        scale=-np.array(turned.grid.spacing[::-1]),
        metadata={"affine": affine},
    )
    select(viewer, layer)

    commands.place_selected(viewer)
    commands.place_selected(viewer)

    np.testing.assert_allclose(volume_of(layer).grid.corners(), turned.grid.corners(), atol=1e-9)
    assert frame_of_layer(layer).to_physical([layer.data_to_world((1, 2, 3))]) == pytest.approx(
        turned.grid.to_points([[3, 2, 1]]), abs=1e-6
    )
    assert [notice.message for notice in notices] == [
        "Placed: scan",
        "Every selected layer is where it belongs already",
    ]


def test_landmarks_go_out_to_a_table_and_come_back(viewer, turned, tmp_path, monkeypatch):
    over = added(viewer, labels_layer(turned))
    marks = viewer.add_points(
        [over.data_to_world((2, 3, 4)), over.data_to_world((5, 1, 0))], features={"name": ["a", "b"]}
    )
    path = tmp_path / "marks.csv"
    monkeypatch.setattr(commands, "_ask", lambda purpose, title: path)
    select(viewer, marks)

    commands.save_points_table(viewer)
    select(viewer, over)
    commands.open_points_table(viewer)

    table = read_points(path)
    np.testing.assert_allclose(table.points, turned.grid.to_points([[4, 3, 2], [0, 1, 5]]), atol=1e-6)
    assert table.columns["name"] == ("a", "b")
    back = viewer.layers["marks"]
    np.testing.assert_allclose(back.data, marks.data, atol=1e-6)
    assert list(back.features["name"]) == ["a", "b"]


def test_a_table_of_points_needs_points(viewer, turned, notices):
    select(viewer, added(viewer, labels_layer(turned)))

    commands.save_points_table(viewer)

    assert "select a points layer" in notices[0].message


def test_a_dialog_that_is_closed_changes_nothing(viewer, monkeypatch):
    monkeypatch.setattr(commands, "_ask", lambda purpose, title: None)

    commands.open_points_table(viewer)

    assert not viewer.layers


def test_a_frame_of_no_layer_is_lps_reversed(viewer, tmp_path, monkeypatch):
    (tmp_path / "p.csv").write_text("x,y,z\n1,2,3\n")
    monkeypatch.setattr(commands, "_ask", lambda purpose, title: tmp_path / "p.csv")

    commands.open_points_table(viewer)

    assert frame_of_layer(viewer.layers["p"]) == DisplayFrame(tuple(np.eye(3).ravel()))
    np.testing.assert_allclose(viewer.layers["p"].data, [[3, 2, 1]])
