from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Points, Surface, Vectors
from scipy.ndimage import map_coordinates

from napari_shapereg.plugin.controller import RegistrationController
from napari_shapereg.plugin.gradient_arrows import Field, colors
from napari_shapereg.plugin.gradients import Measures
from napari_shapereg.plugin.live_view import View
from napari_shapereg.plugin.pairs import read_pair
from napari_shapereg.plugin.scene import label_colors, lit, shape_of
from napari_shapereg.plugin.tasks import (
    Compared,
    Finished,
    Prepared,
    finish,
    laid_over,
    mapped,
    prepare,
    surfaces_of,
    way,
)

LABELS = (1, 2)


@pytest.fixture
def viewer(layers) -> ViewerModel:
    made = ViewerModel()
    for layer in layers:
        made.add_layer(layer)
    return made


@pytest.fixture
def controller(viewer) -> RegistrationController:
    return RegistrationController(viewer)


@pytest.fixture
def compared(layers) -> Compared:
    """As `compare` makes it, without the measures, which the viewer only asks for points."""
    pair = read_pair(*layers)
    surfaces = shape_of(pair.moving, LABELS), shape_of(pair.fixed, LABELS)
    targets = {label: Cloud(pair.fixed, label) for label in LABELS}
    return Compared(pair, LABELS, Measures({}, targets, 10.0), *surfaces, laid_over(pair))


class Cloud:
    def __init__(self, volume, label):
        import torch

        self.points = torch.from_numpy(volume.grid.to_points(np.argwhere(volume.data == label)[::20, ::-1]))


def field(pair, title="Energy distance", scale=1.0) -> Field:
    points = pair.moving.grid.to_points(np.argwhere(pair.moving.data > 0)[::10, ::-1])
    labels = np.where(points[:, 0] < 9.0, 1, 2)
    vectors = scale * (points - points.mean(axis=0))
    return Field(title, "mm", True, points, vectors, np.ones(len(points)), labels, 7, 1.0, 0.1)


@pytest.fixture
def finished(layers, quick) -> Finished:
    run = prepare(*layers, quick).run
    run.work()
    return finish(run, "a")


def view_of(prepared: Prepared, shift: float = 0.0) -> View:
    shape, to_display = shape_of(prepared.pair.moving, LABELS), prepared.run.frame.to_display
    surface = replace(shape, vertices=to_display(shape.vertices) + shift)
    feet = surface.vertices[::35]
    return View("linear", 1.0, 0.5, 1.0, feet, np.full_like(feet, 0.01 + shift), surface)


def only(viewer, kind):
    found = [layer for layer in viewer.layers if type(layer) is kind]
    assert len(found) == 1, [layer.name for layer in found]
    return found[0]


def names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers]


def visible(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers if layer.visible]


# --------------------------------------------------------------------------------------------------- arrows


def test_arrows_stand_on_the_moving_shape_in_the_frame_of_the_fixed_one(controller, viewer, compared):
    shown = controller.show_field(compared, field(compared.pair), in_3d=False)
    feet = compared.pair.frame.to_physical(shown.data[:, 0])
    inside = compared.pair.moving.grid.to_indices(feet)
    assert (compared.pair.moving.data[tuple(np.rint(inside).astype(int).T[::-1])] > 0).all()
    # The moving labels are laid under them, in place of their own layer, which lies in another frame.
    assert visible(viewer) == ["b", "a before", "−∇d Energy distance"]
    controller.hide_arrows()
    assert visible(viewer) == ["a", "b"]


def test_new_arrows_replace_the_old_ones_in_their_layer(controller, viewer, compared):
    first = controller.show_field(compared, field(compared.pair), in_3d=False)
    first.vector_style = "line"
    drawn = []
    first.events.set_data.connect(lambda: drawn.append(first.edge_color.copy()))
    weaker = field(compared.pair, "Gaussian kernel norm", 0.1)
    weaker = replace(weaker, vectors=weaker.vectors[::-1])
    second = controller.show_field(compared, weaker, in_3d=False)
    assert second is first
    assert first.name == "−∇d Gaussian kernel norm"
    assert first.vector_style == "line", "what the user chose stays"
    longest = first.features["length"].max()
    assert first.edge_contrast_limits[1] == pytest.approx(longest, rel=0.2)
    shown = first.features["length"] / first.edge_contrast_limits[1]
    assert len(drawn) == 1
    assert np.allclose(drawn[0], colors().map(shown.clip(0, 1).to_numpy()), atol=1e-6)


def test_arrows_of_which_the_layer_was_removed_come_back_in_a_new_one(controller, viewer, compared):
    first = controller.show_field(compared, field(compared.pair), in_3d=False)
    viewer.layers.remove(first)
    assert controller.show_field(compared, field(compared.pair), in_3d=False) in viewer.layers


def test_in_3d_surfaces_stand_for_the_labels_until_the_viewer_is_turned_back(controller, viewer, compared):
    viewer.scene.camera.center, viewer.scene.camera.zoom = (1.0, 2.0, 3.0), 4.0
    orientation = viewer.scene.camera.orientation
    controller.show_field(compared, field(compared.pair), in_3d=True)
    assert viewer.dims.ndisplay == 3
    assert visible(viewer) == ["a surface", "b surface", "−∇d Energy distance"]
    viewer.dims.ndisplay = 2
    assert visible(viewer) == ["a", "b", "−∇d Energy distance"]
    assert viewer.scene.camera.orientation == orientation


def test_surfaces_follow_what_is_compared(controller, viewer, compared):
    controller.show_field(compared, field(compared.pair), in_3d=True)
    first = viewer.layers["a surface"]
    controller.show_field(compared, field(compared.pair), in_3d=True)
    assert viewer.layers["a surface"] is first
    other = replace(compared, moving=compared.fixed)
    controller.show_field(other, field(compared.pair), in_3d=True)
    assert len(viewer.layers["a surface"].data[0]) == len(compared.fixed.vertices)
    assert visible(viewer) == ["−∇d Energy distance", "a surface", "b surface"]


def test_a_run_begins_in_the_view_in_which_arrows_were_looked_at(controller, viewer, compared, layers, quick):
    controller.show_field(compared, field(compared.pair), in_3d=True)
    viewer.scene.camera.zoom = 7.0
    turned = []
    viewer.dims.events.ndisplay.connect(lambda _event: turned.append(viewer.dims.ndisplay))
    controller.hide_arrows()
    controller.begin(prepare(*layers, quick), in_3d=True)
    assert visible(viewer) == []
    assert viewer.scene.camera.zoom == 7.0
    assert not turned
    controller.end()
    assert turned == [2]
    assert visible(viewer) == ["a", "b"]


def test_surfaces_are_not_too_dark_to_be_seen_and_keep_their_hue():
    colors = lit(np.array([[0.4, 0.1, 0.0, 1.0], [0.9, 0.5, 0.1, 1.0], [0.0, 0.0, 0.0, 1.0]], np.float32))
    expected = [[0.8, 0.2, 0.0, 1.0], [0.9, 0.5, 0.1, 1.0], [0.0, 0.0, 0.0, 1.0]]
    np.testing.assert_allclose(colors, expected, atol=1e-6)


def test_a_dark_shape_is_shown_bright(controller, viewer, compared):
    dark = replace(
        compared.moving, colors=compared.moving.colors * np.array([0.1, 0.1, 0.1, 1.0], np.float32)
    )
    controller.show_field(replace(compared, moving=dark), field(compared.pair), in_3d=True)
    shown = viewer.layers["a surface"].vertex_colors[:, :3].max(axis=1)
    assert shown.min() == pytest.approx(0.8, abs=1e-5)


def test_what_was_hidden_before_stays_hidden(controller, viewer, compared):
    viewer.layers["a"].visible = False
    controller.show_field(compared, field(compared.pair), in_3d=True)
    controller.hide_arrows()
    controller.scene.leave()
    assert visible(viewer) == ["b"]


def test_fidelities_side_by_side_have_a_cell_each(controller, viewer, compared):
    fields = [field(compared.pair, title) for title in ("one", "two", "three")]
    shown = controller.show_grid(compared, fields)
    grid = viewer.canvas.grid
    cells = {layer.name: grid.position(viewer.layers.index(layer), viewer.layers) for layer in shown}
    assert cells == {"−∇d one": (0, 0), "−∇d two": (0, 1), "−∇d three": (1, 0)}
    for layer in shown:
        below = viewer.layers[viewer.layers.index(layer) - 1]
        assert isinstance(below, Points)
        assert grid.position(viewer.layers.index(below), viewer.layers) == cells[layer.name]
        assert layer.name_overlay.visible
    controller.hide_arrows()
    assert names(viewer) == ["a", "b"]
    assert not grid.enabled
    assert viewer.dims.ndisplay == 2


# ------------------------------------------------------------------------------------------------------ run


def test_a_run_is_watched_and_leaves_the_viewer_as_it_was(controller, viewer, layers, quick):
    prepared = prepare(*layers, quick)
    controller.begin(prepared, in_3d=True)
    controller.show_goal(prepared.pair, surfaces_of(prepared)[1])
    for count in (4, 5):
        controller.show_view(view_of(prepared))
        assert len(viewer.layers) == count, "one at a time"
    assert visible(viewer) == ["b surface", "a on its way", "a steps"]
    changed = []
    for layer in viewer.layers[-2:]:
        layer.events.data.connect(lambda event: changed.append(event.source.name))
    for views in (1, 2):
        controller.show_view(view_of(prepared, 2.0))
        assert len(set(changed)) == views, "the window draws in between"
    arrows = only(viewer, Vectors)
    assert np.array_equal(viewer.layers["a on its way"].vertices, view_of(prepared, 2.0).surface.vertices)
    assert np.allclose(arrows.features["length"], np.sqrt(3) * 2.01)
    controller.end()
    assert visible(viewer) == ["a", "b"]
    assert viewer.dims.ndisplay == 2


def test_arrows_of_ever_smaller_steps_stay_visible(controller, viewer, layers, quick):
    prepared = prepare(*layers, quick)
    controller.begin(prepared, in_3d=False)
    lengths = []
    for size in (0.0, -0.0099, -0.0099):
        view = view_of(prepared)
        controller.show_view(replace(view, arrows=view.arrows + size))
        if viewer.layers[-1].name == "a steps":
            lengths.append(np.linalg.norm(viewer.layers[-1].data[:, 1], axis=1).max())
    assert len(lengths) == 2
    assert min(lengths) > 1.0, "mm"


@pytest.mark.parametrize("gone", ["a on its way", "a steps", "b surface", "a", "b"])
def test_a_layer_that_is_removed_in_mid_run_stays_away(controller, viewer, layers, quick, gone):
    prepared = prepare(*layers, quick)
    controller.begin(prepared, in_3d=True)
    controller.show_goal(prepared.pair, surfaces_of(prepared)[1])
    for shift in (0.0, 1.0):
        controller.show_view(view_of(prepared, shift))
    viewer.layers.remove(gone)
    controller.show_view(view_of(prepared, 2.0))
    assert gone not in names(viewer)
    controller.end()
    assert names(viewer) == [name for name in ("a", "b") if name != gone]


def test_a_layer_that_is_hidden_in_mid_run_is_left_alone(controller, viewer, layers, quick):
    prepared = prepare(*layers, quick)
    controller.begin(prepared, in_3d=True)
    for shift in (0.0, 1.0):
        controller.show_view(view_of(prepared, shift))
    surface = only(viewer, Surface)
    surface.visible = False
    controller.show_view(view_of(prepared, 5.0))
    assert np.array_equal(surface.vertices, view_of(prepared).surface.vertices)


def test_a_slice_shows_the_outline_of_the_moving_shape_in_its_colours(controller, viewer, layers, quick):
    prepared = prepare(*layers, quick)
    view = view_of(prepared)
    controller.begin(prepared, in_3d=False)
    viewer.dims.set_point(0, np.median(view.surface.vertices[:, 0]))
    for shift in (0.0, 1.0, 2.0, 2.0):
        controller.show_view(view_of(prepared, shift))
    lines = viewer.layers["a on its way"]
    ends = np.concatenate([lines.data[:, 0], lines.data.sum(axis=1)])
    assert np.allclose(ends[:, 0], viewer.dims.point[0])
    at = prepared.pair.moving.grid.to_indices(prepared.run.frame.to_physical(ends - 2.0))
    inside = map_coordinates((prepared.pair.moving.data > 0).astype(float), at.T[::-1], order=1)
    assert np.abs(inside - 0.5).mean() < 0.15, "on the border of the labels, 2 mm on"
    tints = {
        tuple(color) for color in label_colors(prepared.pair.moving, np.array(LABELS))[:, :3] * 0.4 + 0.6
    }
    shown = {tuple(color) for color in lines.edge_color[:, :3]}
    assert np.allclose(sorted(shown), sorted(tints), atol=1e-5)
    # A slice beside it shows nothing, and the next view of one through it does.
    for place, empty in ((1e3, True), (np.median(view.surface.vertices[:, 0]), False)):
        viewer.dims.set_point(0, place)
        for _ in range(2):
            controller.show_view(view_of(prepared, 2.0))
        assert (len(lines.data) == 0) == empty


def test_the_outline_becomes_a_surface_when_the_viewer_is_turned(controller, viewer, layers, quick):
    prepared = prepare(*layers, quick)
    controller.begin(prepared, in_3d=False)
    for ndisplay, kind in ((2, Vectors), (3, Surface), (2, Vectors)):
        viewer.dims.ndisplay = ndisplay
        for _ in range(2):
            controller.show_view(view_of(prepared))
        assert type(viewer.layers["a on its way"]) is kind
    controller.end()
    assert names(viewer) == ["a", "b"]


# --------------------------------------------------------------------------------------------------- result


def test_outlines_are_told_from_labels_that_napari_gives_the_same_colours(viewer, finished):
    plain = [Labels(np.ones((3, 3, 3), dtype=np.uint8), name=name) for name in ("c", "d")]
    for layer in plain:
        viewer.add_layer(layer)
    shown = RegistrationController(viewer).show_result(finished, plain[0])
    for label in (1, 2):
        assert (shown.get_color(label)[:3] - plain[1].get_color(label)[:3]).max() > 0.2
    # A table of colours stays as it is.
    assert (
        viewer.layers["a"].colormap
        == RegistrationController(viewer).show_result(finished, viewer.layers["a"]).colormap
    )


def test_a_result_lies_on_the_fixed_labels_and_carries_what_inspection_needs(
    controller, viewer, finished, layers
):
    layer = controller.show_result(finished, layers[0])
    assert layer.name == "a registered"
    assert layer.metadata["shapereg"]["result"] is finished.result
    assert np.array_equal(layer.data, finished.result.warped.data)
    assert np.array_equal(layer.scale, layers[1].scale)
    assert np.array_equal(layer.translate, layers[1].translate)
    assert visible(viewer) == ["b", "a registered"]


def test_a_result_needs_no_moving_layer(controller, viewer, finished, layers):
    viewer.layers.remove("a")
    controller.show_result(finished, layers[0])
    assert names(viewer) == ["b", "a registered"]


def test_a_second_result_stands_alone_over_the_fixed_labels(controller, viewer, finished, layers):
    controller.show_result(finished, layers[0])
    controller.show_result(finished, layers[0])
    assert visible(viewer) == ["b", "a registered [1]"]


def test_a_result_that_comes_while_surfaces_are_shown_waits_behind_them(
    controller, viewer, compared, finished, layers
):
    controller.show_field(compared, field(compared.pair), in_3d=True)
    controller.show_result(finished, layers[0])
    assert "a registered" not in visible(viewer)
    controller.scene.leave()
    assert "a registered" in visible(viewer)


def test_the_extent_of_the_map_changes_the_voxels_and_nothing_else(controller, finished, layers):
    layer = controller.show_result(finished, layers[0])
    result = finished.result
    for extent in ("none", "affine", "full"):
        controller.show_extent(layer, mapped(result, extent))
    assert np.array_equal(layer.data, result.warped.data)
    controller.show_extent(layer, mapped(result, "none"))
    assert np.array_equal(layer.data, result.before.data)
    assert layer.metadata["shapereg"]["result"] is result


def test_the_path_is_dragged_from_the_moving_to_the_fixed_shape(controller, viewer, finished, layers):
    controller.show_result(finished, layers[0])
    path = controller.show_path(finished.result, *way(finished.result, "path"))
    assert viewer.dims.axis_labels == ("t", "z", "y", "x")
    assert viewer.dims.ndisplay == 3
    assert visible(viewer) == ["path", "path: goal"]
    goal = next(layer for layer in viewer.layers if layer.name == "path: goal")
    gaps = []
    for time in (0.0, 0.5, 1.0):
        viewer.dims.set_point(0, time)
        shown = slice_of(path, viewer)
        gaps.append(np.linalg.norm(shown.mean(axis=0) - goal.data[0].mean(axis=0)))
    assert gaps[0] > 10 > gaps[1] > gaps[2]
    assert gaps[2] < 1.5
    controller.hide_path()
    assert viewer.dims.ndim == 3
    assert visible(viewer) == ["b", "a registered"]


def slice_of(path: Surface, viewer: ViewerModel) -> np.ndarray:
    """The vertices of the time on the slider."""
    step = round(viewer.dims.point[0] / path.scale[0])
    vertices = path.data[0]
    return vertices[vertices[:, 0] == step][:, 1:]


def test_nothing_is_kept_alive(layers, quick):
    viewer = ViewerModel()
    for layer in layers:
        viewer.add_layer(layer)
    controller = RegistrationController(viewer)
    prepared = prepare(*layers, quick)
    controller.begin(prepared, in_3d=True)
    controller.show_goal(prepared.pair, surfaces_of(prepared)[1])
    controller.show_view(view_of(prepared))
    controller.close()
    seen = weakref.ref(controller)
    del controller
    gc.collect()
    assert seen() is None
    assert [type(layer) for layer in viewer.layers] == [Labels, Labels]
