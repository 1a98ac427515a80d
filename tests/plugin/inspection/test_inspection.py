"""The controller on a viewer model: what a user sees, without a window."""

from __future__ import annotations

import gc
import weakref
from collections import deque

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Surface, Vectors

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.inspected import Side
from napari_shapereg.plugin.inspection import Inspection
from napari_shapereg.plugin.layers import labels_layer
from napari_shapereg.plugin.maps import DISPLACEMENT, LOG_JACOBIAN
from napari_shapereg.plugin.overlay_choices import FOLDS, GRID, LINES, WORST, contour_name, map_name
from napari_shapereg.volumes import ImageGrid, LabelVolume


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def inspection(viewer):
    inspection = Inspection(viewer)
    yield inspection
    inspection.close()


def show(viewer, pair, name="warped") -> Labels:
    """Add the layer that a registration leaves."""
    layer = Layer.create(*labels_layer(pair.warped, name, result=pair))
    viewer.add_layer(layer)
    return layer


@pytest.fixture
def warped(viewer, inspection, shifted_pair) -> Labels:
    layer = show(viewer, shifted_pair)
    inspection.choose(shifted_pair)
    return layer


class Later:
    """A runner that does its work when it is told to, as a worker does after a while."""

    def __init__(self):
        self.waiting = deque()

    def __call__(self, title, work, done):
        self.waiting.append((work, done))

    def catch_up(self):
        while self.waiting:
            work, done = self.waiting.popleft()
            done(work())


def names(viewer) -> set[str]:
    return {layer.name for layer in viewer.layers}


def seen(viewer) -> set[str]:
    return {layer.name for layer in viewer.layers if layer.visible}


# ---------------------------------------------------------------------------------------------------- results


def test_results_are_found_on_the_layers_that_carry_them(viewer, inspection, shifted_pair, unmoved_pair):
    show(viewer, shifted_pair, "one")
    show(viewer, shifted_pair, "the same again")
    show(viewer, unmoved_pair, "other")
    viewer.add_labels(np.ones((3, 4, 5), dtype=int))
    assert inspection.results() == {"one": shifted_pair, "other": unmoved_pair}


def test_a_chosen_result_is_shown_with_its_contours_and_measured(viewer, inspection, warped):
    assert names(viewer) == {"Fixed", "warped", "Fixed contour", "After contour"}
    assert inspection.measured
    assert [row.label for row in inspection.inspected.agreement.rows] == [1, 2]
    assert inspection.colors()[1] == pytest.approx((1.0, 0.5, 0.0))


def test_the_layers_of_the_user_are_used(viewer, inspection, shifted_pair):
    fixed = viewer.add_layer(Layer.create(*labels_layer(shifted_pair.fixed, "my volume")))
    # A registration works on a copy of what may be painted on.
    fixed.data = fixed.data.copy()
    show(viewer, shifted_pair)
    inspection.choose(shifted_pair)
    assert inspection.comparing.layers[Side.FIXED] is fixed
    assert names(viewer) == {"my volume", "warped", "Fixed contour", "After contour"}


def test_a_result_goes_with_its_layer(viewer, inspection, warped):
    viewer.layers.remove(warped)
    assert inspection.inspected is None
    assert names(viewer) == {"Fixed"}


def test_another_result_replaces_what_was_drawn(viewer, inspection, warped, unmoved_pair):
    inspection.show_map(DISPLACEMENT)
    show(viewer, unmoved_pair, "other")
    inspection.choose(unmoved_pair)
    assert inspection.overlays.names == (contour_name(Side.FIXED), contour_name(Side.AFTER))
    assert inspection.comparing.layers[Side.AFTER].name == "other"


def test_what_comes_too_late_for_a_result_is_dropped(viewer, shifted_pair, unmoved_pair):
    later = Later()
    inspection = Inspection(viewer, later)
    show(viewer, shifted_pair)
    show(viewer, unmoved_pair, "other")
    inspection.choose(shifted_pair)
    inspection.choose(unmoved_pair)
    later.catch_up()
    assert inspection.inspected.pair is unmoved_pair
    assert inspection.comparing.layers[Side.AFTER].name == "other"
    assert len([layer for layer in viewer.layers if layer.name.startswith("Fixed contour")]) == 1
    inspection.close()


def test_a_layer_that_is_deleted_while_work_is_done_takes_the_result_along(viewer, shifted_pair):
    later = Later()
    inspection = Inspection(viewer, later)
    warped = show(viewer, shifted_pair)
    inspection.choose(shifted_pair)
    viewer.layers.remove(warped)
    later.catch_up()
    assert inspection.inspected is None
    assert len(viewer.layers) == 0
    inspection.close()


def test_work_that_ends_after_the_dock_was_closed_does_nothing(viewer, shifted_pair):
    later = Later()
    inspection = Inspection(viewer, later)
    show(viewer, shifted_pair)
    inspection.choose(shifted_pair)
    inspection.close()
    later.catch_up()
    assert names(viewer) == {"warped"}


def test_nothing_can_be_drawn_before_a_result_is_chosen(inspection, tmp_path):
    for act in (
        lambda: inspection.show_map(DISPLACEMENT),
        lambda: inspection.compare("blend"),
        lambda: inspection.show_worst(1),
        lambda: inspection.export_table(tmp_path / "table.csv"),
    ):
        with pytest.raises(InputError, match="no result is chosen; register a pair first"):
            act()


# ----------------------------------------------------------------------------------------------------- labels


def test_a_label_is_shown_alone_and_all_again(inspection, warped):
    warped.selected_label = 2
    inspection.isolate(1)
    assert (warped.selected_label, warped.show_selected_label) == (1, True)
    contour = inspection.overlays.layers(contour_name(Side.FIXED))[0]
    assert contour.get_color(2)[3] == 0.0
    inspection.isolate(None)
    assert not warped.show_selected_label
    contour = inspection.overlays.layers(contour_name(Side.FIXED))[0]
    assert contour.get_color(2)[3] == 1.0


def test_the_worst_point_is_looked_at(viewer, inspection, unmoved_pair):
    show(viewer, unmoved_pair)
    inspection.choose(unmoved_pair)
    inspection.show_worst(2)
    # the voxel of the fixed volume that lies far from all others, z y x mm
    assert viewer.dims.point == pytest.approx((7.5, 30.0, 40.0))
    assert viewer.scene.camera.center == pytest.approx((0.0, 30.0, 40.0))
    assert inspection.overlays.layers(WORST)[0].data[0] == pytest.approx([7.5, 30.0, 40.0])
    viewer.dims.ndisplay = 3
    inspection.show_worst(2)
    assert viewer.scene.camera.center == pytest.approx((7.5, 30.0, 40.0))
    inspection.isolate(None)
    assert WORST not in inspection.overlays.names


def test_the_worst_point_is_found_in_every_direction_of_a_volume(viewer, inspection, make_pair, grid):
    large = ImageGrid((12, 12, 12), grid.spacing, grid.origin, grid.direction)
    data = np.zeros(large.shape, dtype=np.uint8)
    data[2:5, 2:5, 2:5] = 1
    moving = LabelVolume(data, large)
    data = data.copy()
    data[9, 8, 10] = 1
    pair = make_pair(moving, LabelVolume(data, large))
    layer = show(viewer, pair)
    inspection.choose(pair)
    inspection.show_worst(1)
    np.testing.assert_allclose(layer.world_to_data(viewer.dims.point), (9, 8, 10), atol=1e-6)


def test_a_time_axis_of_other_layers_is_left_where_it_is(viewer, inspection, unmoved_pair):
    viewer.add_image(np.zeros((5, 3, 4, 5)))
    viewer.dims.set_point(0, 3)
    show(viewer, unmoved_pair)
    inspection.choose(unmoved_pair)
    inspection.show_worst(2)
    assert viewer.dims.point == pytest.approx((3.0, 7.5, 30.0, 40.0))


def test_a_label_that_is_missing_is_shown_alone_without_a_point(viewer, inspection, make_pair, shifted_pair):
    volume = shifted_pair.moving
    lost = LabelVolume(np.where(volume.data == 2, 0, volume.data), volume.grid)
    pair = make_pair(lost, shifted_pair.fixed)
    show(viewer, pair)
    inspection.choose(pair)
    inspection.show_worst(2)
    assert inspection.label == 2
    assert WORST not in inspection.overlays.names


# --------------------------------------------------------------------------------------------------- overlays


def test_maps_are_images_in_2d_and_colours_of_the_surface_in_3d(viewer, inspection, warped, shift):
    inspection.show_map(DISPLACEMENT)
    (image,) = inspection.overlays.layers(map_name(DISPLACEMENT))
    assert isinstance(image, Image)
    np.testing.assert_allclose(image.data, np.linalg.norm(shift), rtol=1e-5)
    assert image.colorbar.visible
    assert image.contrast_limits == pytest.approx([0.0, np.linalg.norm(shift)])
    viewer.dims.ndisplay = 3
    (surface,) = inspection.overlays.layers(map_name(DISPLACEMENT))
    assert isinstance(surface, Surface)
    np.testing.assert_allclose(surface.data[2], np.linalg.norm(shift), rtol=1e-5)
    # It lies where the label lies.
    center = inspection.inspected.frame.to_display([[21.0, 18.0, 28.0]])[0]
    near = np.linalg.norm(surface.data[0] - center, axis=1) < 9.0
    assert near.mean() > 0.5
    inspection.show_map(None)
    assert map_name(DISPLACEMENT) not in inspection.overlays.names
    assert not surface.visible


def test_a_map_lies_below_the_contours_and_covers_no_surface(viewer, inspection, warped):
    inspection.show_map(LOG_JACOBIAN)
    order = [layer.name for layer in viewer.layers]
    assert order.index("log det J") < order.index("Fixed contour")
    viewer.dims.ndisplay = 3
    assert "After surface" not in seen(viewer)
    inspection.show_map(None)
    assert {"Fixed surface", "After surface"} <= seen(viewer)
    inspection.show_map(LOG_JACOBIAN)
    viewer.dims.ndisplay = 2
    viewer.dims.ndisplay = 3
    assert not {"Fixed surface", "After surface"} & seen(viewer)


def test_contours_turn_to_surfaces_and_back(viewer, inspection, warped):
    inspection.show_contours(Side.BEFORE, shown=True)
    viewer.dims.ndisplay = 3
    assert {"Fixed surface", "Before surface", "After surface"} <= seen(viewer)
    assert not any("contour" in name for name in seen(viewer))
    # Filled volumes would cover the surfaces.
    assert not warped.visible
    viewer.dims.ndisplay = 2
    assert {"Fixed contour", "Before contour", "After contour"} <= seen(viewer)
    assert warped.visible
    inspection.show_contours(Side.BEFORE, shown=False)
    assert "Before contour" not in seen(viewer)


def test_an_overlay_whose_layer_is_deleted_is_given_up(viewer, inspection, warped):
    told = []
    inspection.events.drawn.connect(lambda: told.append(inspection.overlays.names))
    inspection.show_grid(5.0)
    viewer.layers.remove(inspection.overlays.layers(GRID)[0])
    assert GRID not in inspection.overlays.names
    assert GRID not in told[-1]
    inspection.show_grid(5.0)
    assert len(inspection.overlays.layers(GRID)) == 1


def test_what_is_drawn_again_keeps_its_layer(viewer, inspection, warped):
    inspection.show_grid(20.0)
    (grid,) = inspection.overlays.layers(GRID)
    grid.opacity = 0.9  # as the user likes it
    few = np.count_nonzero(grid.data[18])
    inspection.show_grid(None)
    assert not grid.visible
    inspection.show_grid(5.0)
    assert inspection.overlays.layers(GRID) == (grid,)
    assert (grid.visible, grid.opacity) == (True, 0.9)
    assert np.count_nonzero(grid.data[18]) > 1.5 * few


def test_a_label_alone_shrinks_the_surfaces_to_it(viewer, inspection, warped):
    viewer.dims.ndisplay = 3
    (surface,) = inspection.overlays.layers(contour_name(Side.FIXED))
    both = len(surface.data[0])
    inspection.isolate(2)
    assert inspection.overlays.layers(contour_name(Side.FIXED)) == (surface,)
    assert 0 < len(surface.data[0]) < both / 2


def test_a_hidden_layer_may_be_deleted_without_a_word(viewer, inspection, warped):
    viewer.dims.ndisplay = 3
    viewer.dims.ndisplay = 2
    (surface,) = [layer for layer in viewer.layers if layer.name == "Fixed surface"]
    viewer.layers.remove(surface)
    assert contour_name(Side.FIXED) in inspection.overlays.names
    viewer.dims.ndisplay = 3
    assert "Fixed surface" in seen(viewer)


def test_the_deformed_grid_is_a_picture_in_2d_and_lines_in_3d(viewer, inspection, warped):
    inspection.show_grid(5.0)
    assert isinstance(inspection.overlays.layers(GRID)[0], Image)
    viewer.dims.ndisplay = 3
    assert any(isinstance(layer, Vectors) for layer in viewer.layers)
    with pytest.raises(InputError, match="positive length in mm"):
        inspection.show_grid(0.0)


def test_correspondences_of_a_shift_are_as_long_as_it(inspection, warped, shift):
    inspection.show_lines("map", 100)
    (lines,) = inspection.overlays.layers(LINES)
    assert 90 <= len(lines.data) <= 100
    np.testing.assert_allclose(lines.data[:, 1], np.tile(shift[::-1], (len(lines.data), 1)), atol=1e-9)
    inspection.show_lines("plan after", 50)
    (lines,) = inspection.overlays.layers(LINES)
    # What is left: nothing, but for the blur and the terraces of voxels of 1.5 mm.
    assert np.median(np.linalg.norm(lines.data[:, 1], axis=1)) < 1.0


def test_one_label_alone_has_its_own_correspondences(inspection, warped):
    inspection.show_lines("map", 100)
    inspection.isolate(2)
    (lines,) = inspection.overlays.layers(LINES)
    assert set(lines.features["label"]) == {2}
    assert len(lines.data) == 100
    inspection.isolate(None)
    assert set(inspection.overlays.layers(LINES)[0].features["label"]) == {1, 2}


def test_folds_are_marked_where_there_are_any(
    viewer, inspection, make_pair, shifted_pair, make_folding, monkeypatch
):
    pair = make_pair(shifted_pair.moving, shifted_pair.fixed)
    monkeypatch.setattr(type(pair), "transform", make_folding((21, 18, 18), pair.fixed.grid), raising=True)
    show(viewer, pair)
    inspection.choose(pair)
    (marks,) = inspection.overlays.layers(FOLDS)
    np.testing.assert_allclose(marks.data, [[27.0, 18.0, 20.0]])


def test_nothing_is_marked_where_nothing_folds(inspection, warped):
    assert FOLDS not in inspection.overlays.names


def test_the_layer_that_the_user_works_on_stays_active(viewer, inspection, warped):
    viewer.layers.selection.active = warped
    inspection.show_map(DISPLACEMENT)
    inspection.compare("wipe")
    inspection.show_map(None)
    assert viewer.layers.selection.active is warped


# ------------------------------------------------------------------------------------------------- comparison


def test_blending_fades_from_one_to_the_other(inspection, warped):
    inspection.compare("blend", Side.BEFORE, Side.AFTER)
    inspection.comparing.move(0.25)
    before = inspection.comparing.layers[Side.BEFORE]
    assert (before.opacity, warped.opacity) == pytest.approx((0.75, 0.25))
    assert before.visible
    assert not inspection.comparing.layers[Side.FIXED].visible


def test_a_wipe_follows_the_slider_and_the_axes(viewer, inspection, warped, shifted_pair):
    inspection.compare("wipe", Side.FIXED, Side.AFTER)
    composite = inspection.comparing.composite
    inspection.comparing.move(0.5)
    box = inspection.inspected.box
    middle = (box[2].start + box[2].stop) / 2
    fixed, after = shifted_pair.fixed.data[18], shifted_pair.warped.data[18]
    columns = np.arange(fixed.shape[1]) < middle
    shown = np.where(composite.data[18] == composite.data.mark, 0, composite.data[18])
    np.testing.assert_array_equal(shown, np.where(columns, fixed, after))
    assert not warped.visible
    viewer.dims.order = (2, 0, 1)
    assert composite.data.pattern.axis == 1
    inspection.compare(None)
    assert not composite.visible
    assert warped.visible


def test_a_wipe_looks_through_the_volumes_in_the_worker_alone(viewer, shifted_pair, monkeypatch):
    later = Later()
    inspection = Inspection(viewer, later)
    inspection.choose(shifted_pair)
    later.catch_up()
    inspection.compare("wipe")
    work, done = later.waiting.popleft()
    volumes = work()
    monkeypatch.setattr(LabelVolume, "bounding_box", None)
    done(volumes)
    assert inspection.comparing.composite.visible
    inspection.close()


def test_what_is_shown_already_is_not_sliced_anew(viewer, inspection, warped):
    sliced = []
    for layer in viewer.layers:
        layer.events.set_data.connect(lambda event: sliced.append(event.source.name))
    inspection.comparing.arrange()
    assert not sliced
    inspection.compare("wipe")
    inspection.compare(None)
    assert set(sliced) == {"Fixed", "warped"}


def test_a_checkerboard_has_blocks_of_the_size_asked_for(inspection, warped):
    inspection.compare("checkerboard")
    inspection.comparing.resize(6.0)
    # z y x, voxels of 1.5, 1 and 1 mm
    assert inspection.comparing.composite.data.pattern.blocks == (4.0, 6.0, 6.0)
    with pytest.raises(InputError, match="positive length in mm"):
        inspection.comparing.resize(-1.0)


def test_flicker_shows_one_after_the_other(inspection, warped):
    inspection.compare("flicker", Side.FIXED, Side.AFTER)
    fixed = inspection.comparing.layers[Side.FIXED]
    turns = []
    for _ in range(4):
        inspection.comparing.flick()
        turns.append((fixed.visible, warped.visible))
    assert turns == [(False, True), (True, False)] * 2


def test_a_compared_layer_may_be_deleted(viewer, inspection, warped):
    inspection.compare("blend", Side.BEFORE, Side.AFTER)
    viewer.layers.remove(inspection.comparing.layers[Side.BEFORE])
    inspection.comparing.move(0.3)
    inspection.compare("wipe", Side.BEFORE, Side.AFTER)
    viewer.layers.remove(inspection.comparing.composite)
    inspection.comparing.move(0.3)
    inspection.compare("flicker", Side.BEFORE, Side.AFTER)
    inspection.comparing.flick()
    assert "Before" in names(viewer)


# -------------------------------------------------------------------------------------------------- the end


def test_closing_leaves_the_layers_as_they_were(viewer, shifted_pair):
    fixed = viewer.add_layer(Layer.create(*labels_layer(shifted_pair.fixed, "my volume", opacity=0.4)))
    warped = show(viewer, shifted_pair)
    warped.visible = False
    inspection = Inspection(viewer)
    inspection.choose(shifted_pair)
    inspection.show_map(DISPLACEMENT)
    inspection.compare("blend", Side.FIXED, Side.BEFORE)
    inspection.show_worst(1)
    inspection.close()
    assert names(viewer) == {"my volume", "warped"}
    assert (fixed.visible, fixed.opacity, fixed.show_selected_label) == (True, 0.4, False)
    assert not warped.visible
    viewer.dims.ndisplay = 3  # nobody listens any more
    assert names(viewer) == {"my volume", "warped"}


def test_a_closed_inspection_is_forgotten(viewer, shifted_pair):
    show(viewer, shifted_pair)
    inspection = Inspection(viewer)
    inspection.choose(shifted_pair)
    inspection.show_map(DISPLACEMENT)
    inspection.close()
    watched = weakref.ref(inspection)
    del inspection
    gc.collect()
    assert watched() is None
