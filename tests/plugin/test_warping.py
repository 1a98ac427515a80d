from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer, Points, Shapes, Surface, Vectors

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.display_frame import frame_of
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
from napari_shapereg.plugin.map_pair import (
    DIRECTIONS,
    MapPair,
    maps_of_file,
    maps_of_result,
    maps_of_transform,
)
from napari_shapereg.plugin.warping import warp_layer
from napari_shapereg.transforms import (
    affine_transform,
    displacement_transform,
    transform_points,
    write_transform,
)
from napari_shapereg.volumes import known_deformation, known_pair

TO_FIXED, TO_MOVING = DIRECTIONS
TURN = np.array([[0.9, 0.1, 0.0], [-0.2, 1.1, 0.1], [0.0, 0.05, 0.95]])
FORWARD = affine_transform(TURN, (4.0, -2.0, 1.0))


class Result:
    """The known pair with its true maps, sampled finely: what a perfect registration would give."""

    def __init__(self):
        self.moving, self.fixed = known_pair()
        truth = known_deformation()
        self.transform = sampled(truth.fixed_to_moving, self.fixed.grid)
        self.inverse_transform = sampled(truth.moving_to_fixed, self.moving.grid)


def sampled(carry, grid):
    lattice = grid.binned((2, 2, 2)).padded((8, 8, 8), (8, 8, 8))
    z, y, x = np.indices(lattice.shape).reshape(3, -1)
    nodes = lattice.to_points(np.stack([x, y, z], axis=1))
    return displacement_transform((carry(nodes) - nodes).reshape(*lattice.shape, 3), lattice)


@pytest.fixture(scope="module")
def result() -> Result:
    return Result()


@pytest.fixture(scope="module")
def maps(result) -> MapPair:
    return maps_of_result(result)


def made(layer_data) -> Layer:
    return Layer.create(*layer_data)


def overlap(one, two, label) -> float:
    return 2 * ((one == label) & (two == label)).sum() / ((one == label).sum() + (two == label).sum())


def on_the_shape(volume, count=200):
    z, y, x = np.nonzero(volume.data)
    chosen = np.random.default_rng(11).choice(len(z), count, replace=False)
    return volume.grid.to_points(np.stack([x, y, z], axis=1)[chosen])


# ----------------------------------------------------------------------------------- each kind of layer


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_labels_land_on_the_other_volume(result, maps, direction):
    here, there = (result.moving, result.fixed) if direction == TO_FIXED else (result.fixed, result.moving)
    layer = made(labels_layer(here, "knee"))

    warped = made(warp_layer(layer, maps, direction))

    assert isinstance(warped, Labels)
    assert warped.name == f"knee ({direction})"
    seen = volume_of(warped)
    assert seen.grid == there.grid
    assert seen.names == here.names
    for label in there.labels:
        # by nearest neighbour, measured .90 to .92; without the map 0 to .2
        assert overlap(seen.data, there.data, label) > 0.88


def test_an_image_is_resampled_linearly_and_least_outside(result, maps):
    grid = result.moving.grid
    z, y, x = np.indices(grid.shape).reshape(3, -1)
    ramp = (grid.to_points(np.stack([x, y, z], axis=1)) @ [0.3, -0.5, 0.2]).reshape(grid.shape)
    layer = made(
        image_layer(ramp.astype(np.float32), "scan", grid=grid, colormap="magma", contrast_limits=(-50, 50))
    )

    warped = made(warp_layer(layer, maps, TO_FIXED))

    assert isinstance(warped, Image)
    assert warped.colormap.name == "magma"
    assert list(warped.contrast_limits) == [-50, 50]
    points = on_the_shape(result.fixed)
    indices = np.rint(result.fixed.grid.to_indices(points)).astype(int)
    values = warped.data[tuple(indices[:, ::-1].T)]
    truth = known_deformation().fixed_to_moving(points) @ [0.3, -0.5, 0.2]
    # a linear ramp is interpolated exactly; the sampled map is good to some hundredths of a mm
    np.testing.assert_allclose(values, truth, atol=0.1)
    assert warped.data.min() == ramp.astype(np.float32).min()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_points_are_carried_and_keep_their_looks(result, maps, direction):
    here, there = (result.moving, result.fixed) if direction == TO_FIXED else (result.fixed, result.moving)
    truth = known_deformation()
    carry = truth.moving_to_fixed if direction == TO_FIXED else truth.fixed_to_moving
    places = on_the_shape(here)
    layer = made(
        points_layer(
            places, frame_of(here.grid), "landmarks", size=3, symbol="cross", features={"n": range(200)}
        )
    )

    warped = made(warp_layer(layer, maps, direction))

    assert isinstance(warped, Points)
    np.testing.assert_allclose(points_of(warped), carry(places), atol=0.1)
    assert frame_of_layer(warped) == frame_of(there.grid)
    assert str(warped.symbol[0]) == "cross"
    assert list(warped.features["n"]) == list(range(200))
    assert warped.size[0] == 3


def test_a_surface_is_carried_with_its_faces_and_values(result, maps):
    places = on_the_shape(result.moving, 9)
    faces = np.arange(9).reshape(3, 3)
    layer = made(surface_layer(places, faces, frame_of(result.moving.grid), values=np.arange(9.0)))

    warped = made(warp_layer(layer, maps, TO_FIXED))

    assert isinstance(warped, Surface)
    np.testing.assert_allclose(points_of(warped), known_deformation().moving_to_fixed(places), atol=0.1)
    np.testing.assert_array_equal(warped.data[1], faces)
    np.testing.assert_array_equal(warped.data[2], np.arange(9.0))


def test_an_arrow_that_pointed_at_a_place_still_does(result, maps):
    places = on_the_shape(result.moving, 40)
    feet, tips = places[:20], places[20:]
    layer = made(vectors_layer(feet, (tips - feet) / 2, frame_of(result.moving.grid)))
    layer.length = 2

    warped = made(warp_layer(layer, maps, TO_FIXED))

    assert isinstance(warped, Vectors)
    truth = known_deformation()
    start, arrows = arrows_of(warped)
    np.testing.assert_allclose(start, truth.moving_to_fixed(feet), atol=0.1)
    np.testing.assert_allclose(start + arrows, truth.moving_to_fixed(tips), atol=0.2)


def test_points_made_by_hand_are_taken_where_they_are_drawn(result, maps):
    frame = frame_of(result.moving.grid)
    places = on_the_shape(result.moving, 5)
    layer = Points(frame.to_display(places) / 2, scale=(2, 2, 2), size=4)

    warped = made(warp_layer(layer, maps, TO_FIXED, drawn=frame))

    np.testing.assert_allclose(points_of(warped), known_deformation().moving_to_fixed(places), atol=0.1)
    # drawn 8 mm wide before, so 8 mm after
    assert warped.size[0] == pytest.approx(8)


def test_a_layer_without_a_place_in_space_is_refused(maps):
    layer = Shapes([np.zeros((4, 3))], name="square")

    with pytest.raises(InputError, match="'square': a shapes layer cannot be warped"):
        warp_layer(layer, maps)


# ------------------------------------------------------------------------------------ where maps come from


def test_a_linear_transform_goes_both_ways():
    maps = maps_of_transform(FORWARD)
    points = np.array([[1.0, 2.0, 3.0]])

    there = transform_points(maps.carrying(TO_MOVING), points)
    back = transform_points(maps.carrying(TO_FIXED), there)

    np.testing.assert_allclose(there, points @ TURN.T + (4.0, -2.0, 1.0))
    np.testing.assert_allclose(back, points)


@pytest.mark.parametrize("given", ["fixed_to_moving.h5", "moving_to_fixed.h5"])
def test_the_inverse_is_found_beside_either_file(result, tmp_path, given):
    write_transform(result.transform, tmp_path / "fixed_to_moving.h5")
    write_transform(result.inverse_transform, tmp_path / "moving_to_fixed.h5")

    maps = maps_of_file(tmp_path / given)

    places = on_the_shape(result.fixed, 10)
    carried = transform_points(maps.carrying(TO_MOVING), places)
    np.testing.assert_allclose(carried, known_deformation().fixed_to_moving(places), atol=0.1)
    np.testing.assert_allclose(transform_points(maps.carrying(TO_FIXED), carried), places, atol=0.1)


def test_without_its_inverse_a_field_carries_one_way_only(result, tmp_path):
    write_transform(result.transform, tmp_path / "warp.h5")
    maps = maps_of_file(tmp_path / "warp.h5")
    labels = made(labels_layer(result.moving, "knee"))
    points = made(points_layer(on_the_shape(result.fixed, 3), frame_of(result.fixed.grid), "marks"))

    warped = warp_layer(labels, maps, TO_FIXED, grid=result.fixed.grid)
    assert overlap(warped[0], result.fixed.data, 1) > 0.88
    assert warp_layer(points, maps, TO_MOVING, grid=result.moving.grid)
    with pytest.raises(InputError, match=r"'marks': points layers go from moving to fixed by the inverse"):
        warp_layer(points, maps, TO_FIXED, grid=result.fixed.grid)
    with pytest.raises(InputError, match="or choose 'moving to fixed'"):
        warp_layer(labels, maps, TO_MOVING, grid=result.moving.grid)


def test_a_transform_without_volumes_needs_a_grid(result):
    layer = made(labels_layer(result.moving))

    with pytest.raises(InputError, match="choose a layer on whose grid"):
        warp_layer(layer, maps_of_transform(FORWARD))
