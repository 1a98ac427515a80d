from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from napari.layers import Labels, Layer

from napari_shapereg.deformations import AffineMap
from napari_shapereg.errors import InputError
from napari_shapereg.fidelities.named import NAMES, OF_SURFACES
from napari_shapereg.plugin.comparison import Checkerboard, Composite
from napari_shapereg.plugin.contours import Outlines
from napari_shapereg.plugin.gradients import field_of, variants
from napari_shapereg.plugin.pairs import default_pair, label_layers, label_rows, read_pair
from napari_shapereg.plugin.path_layer import MOST_FACES
from napari_shapereg.plugin.scene import shape_of
from napari_shapereg.plugin.tasks import (
    compare,
    finish,
    laid_over,
    mapped,
    overlaps,
    prepare,
    remarks_on,
    scores_of,
    way,
)
from napari_shapereg.quality import label_agreement
from napari_shapereg.registration import FidelitySettings, RegistrationSettings
from napari_shapereg.transforms import transform_points
from napari_shapereg.volumes import ImageGrid, LabelVolume


@pytest.fixture(scope="module")
def result(volumes):
    from napari_shapereg import register

    return register(*volumes, settings=RegistrationSettings(pitch=3.0, max_steps=4, voxels=None))


# ------------------------------------------------------------------------------------------------------ pairs


def test_rows_tell_name_colour_and_what_is_missing(layers, volumes):
    moving, fixed = layers
    fixed.data[fixed.data == 2] = 7
    rows = label_rows(read_pair(moving, fixed))
    assert [(row.title, row.missing_in) for row in rows] == [
        ("1  body", ""),
        ("2  head", "fixed"),
        ("7", "moving"),
    ]
    assert rows[0].color == pytest.approx((0.9, 0.5, 0.1))
    assert "fixed layer has no voxel of label 2" in rows[1].reason


def test_labels_without_colours_have_those_in_which_napari_shows_them(layers):
    pair = read_pair(*layers)
    assert np.allclose(pair.moving.colors[2], layers[0].get_color(2)[:3], atol=1e-6)


def test_a_copy_stays_as_it_is_when_the_layer_is_painted_on(layers):
    pair = read_pair(*layers, copy=True)
    before = pair.moving.data.copy()
    layers[0].data[:] = 5
    assert np.array_equal(pair.moving.data, before)


def test_only_whole_volumes_of_labels_are_offered(layers):
    others = [
        Layer.create(np.zeros((4, 4)), {}, "image"),
        Layer.create(np.zeros((4, 4), dtype=int), {"name": "plane"}, "labels"),
        Labels(Composite(layers[0].data, layers[0].data, Checkerboard((2, 2, 2))), name="Comparison"),
        Labels(Outlines(layers[0].data), name="Fixed contour"),
    ]
    assert label_layers([*others, *layers]) == list(layers)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("a", "b", "c"), (0, 1)),
        (("knee: fixed", "knee: moving"), (1, 0)),
        (("a",), (0, None)),
        ((), (None, None)),
    ],
)
def test_moving_and_fixed_go_by_their_names_then_by_their_order(names, chosen):
    made = [Layer.create(np.ones((2, 2, 2), dtype=int), {"name": name}, "labels") for name in names]
    expected = tuple(None if place is None else made[place] for place in chosen)
    assert default_pair(made) == expected


# ----------------------------------------------------------------------------------------------------- arrows


def test_arrows_of_a_far_shape_point_at_it(layers, quick):
    compared = compare(*layers, quick)
    field = field_of(compared.measures, FidelitySettings(name="sinkhorn"))
    # Optimal transport moves the centre of each label onto that of its target; their weights sum to 1 each.
    mean = np.array(
        [
            np.average(field.vectors[field.labels == k], weights=field.weights[field.labels == k], axis=0)
            for k in (1, 2)
        ]
    )
    expected = [
        (compared.measures.targets[k].center - compared.measures.sources[k].center).numpy() for k in (1, 2)
    ]
    # Sinkhorn's marginals are met to the tolerance of its loop.
    assert np.abs(mean - expected).max() < 0.2
    assert field.unit == "mm"
    assert field.seconds > 0


def test_the_value_is_that_of_the_fidelity_summed_over_the_labels(layers, quick):
    from napari_shapereg import EnergyDistance

    measures = compare(*layers, quick).measures
    field = field_of(measures, FidelitySettings())
    alone = sum(float(EnergyDistance()(measures.sources[k], measures.targets[k])) for k in (1, 2))
    assert field.value == pytest.approx(alone, rel=1e-5)


def test_variants_take_over_what_means_the_same():
    chosen = {"name": "sinkhorn", "length": 3.0, "p": 1, "reach": 9.0}
    settings = RegistrationSettings(measures={"fidelity": chosen, "kind": "voxel"})
    found = {each.name: each for each in variants(settings, every=True)}
    assert found.keys() == set(NAMES) - OF_SURFACES
    assert found["sinkhorn"] == settings.measures.fidelity
    assert (found["hausdorff"].length, found["hausdorff"].p, found["hausdorff"].reach) == (3.0, 1, None)
    assert found["gaussian"].length is None
    surfaces = settings.changed(measures={"fidelity": chosen, "kind": "surface"})
    assert len(variants(surfaces, every=True)) == len(NAMES)
    assert variants(settings, every=False) == (settings.measures.fidelity,)


def test_every_fidelity_has_arrows_of_surfaces(layers, quick):
    settings = quick.changed(measures={"kind": "surface", "points": 200})
    measures = compare(*layers, settings).measures
    for chosen in variants(settings, every=True):
        field = field_of(measures, chosen)
        assert np.isfinite(field.vectors).all(), chosen.name
        assert field.top > 1e-12, chosen.name


def test_labels_that_do_not_fit_are_told(layers, quick):
    layers[1].data[layers[1].data == 2] = 3
    with pytest.raises(InputError, match="different labels"):
        compare(*layers, quick)


def test_a_moving_volume_of_other_axes_is_laid_over(pair):
    data, keywords, _ = laid_over(pair)
    layer = Layer.create(data, keywords, "labels")
    inside = np.argwhere(np.asarray(layer.data) == 1)
    shown = np.array([layer.data_to_world(place) for place in inside])
    centre = pair.moving.grid.to_points(np.argwhere(pair.moving.data == 1)[:, ::-1]).mean(axis=0)
    # Resampled by nearest neighbour: the centre of thousands of voxels moves by a fraction of one.
    assert np.abs(pair.frame.to_physical(shown).mean(axis=0) - centre).max() < 0.1


def test_a_moving_volume_of_the_same_axes_is_not(volumes):
    from napari_shapereg.plugin.pairs import Pair

    assert laid_over(Pair(volumes[0], volumes[0], "a", "b")) is None


# ----------------------------------------------------------------------------------------------------- result


def test_overlaps_are_dice_coefficients(volumes):
    fixed = volumes[1]
    moved = LabelVolume(np.roll(fixed.data, 3, axis=2), fixed.grid)
    expected = label_agreement(fixed, moved, (1, 2))
    found = overlaps(fixed, moved, (1, 2))
    assert found == {label: pytest.approx(expected[label].dice) for label in (1, 2)}
    assert 0.3 < found[1] < 0.95


def test_a_finished_run_scores_before_and_after(layers, quick):
    run = prepare(*layers, quick).run
    run.work()
    finished = finish(run, "a")
    assert finished.layer[1]["name"] == "a registered"
    scores = scores_of(finished.result)
    assert [score.title for score in scores] == ["1  body", "2  head"]
    assert scores[0].before < 0.4
    assert scores[0].after > 0.7


def test_a_mirrored_map_is_told(result):
    assert remarks_on(result) == ""
    turned = replace(result, linear=AffineMap(result.linear.matrix @ np.diag([-1.0, 1, 1]), np.zeros(3)))
    assert remarks_on(turned).startswith("Mirrored: left became right")


def test_none_affine_and_full_are_three_maps(result):
    none, affine, full = (mapped(result, extent) for extent in ("none", "affine", "full"))
    linear = sitk.AffineTransform(3)
    linear.SetMatrix(result.affine.matrix.ravel().tolist())
    linear.SetTranslation(result.affine.translation.tolist())
    image = sitk.Resample(
        result.moving.to_image(), result.fixed.to_image(), linear.GetInverse(), sitk.sitkNearestNeighbor
    )
    # (Voxels half-way between two others may fall to either.)
    assert np.mean(affine.data != sitk.GetArrayFromImage(image)) < 1e-4
    assert np.array_equal(none.data, result.before.data)
    assert np.array_equal(full.data, result.warped.data)


def test_the_way_starts_at_the_moving_surface_and_ends_on_its_image(result):
    (vertices, faces), keywords, kind = way(result, "path")[0]
    layer = Layer.create((vertices, faces), keywords, kind)
    shape = shape_of(result.moving, (1, 2), MOST_FACES)
    times = int(vertices[:, 0].max()) + 1
    places = vertices[:, 1:].reshape(times, -1, 3)
    frame = keywords["metadata"]["shapereg"]["frame"]
    assert np.abs(frame.to_physical(places[0]) - shape.vertices).max() < 1e-3
    image = transform_points(result.inverse_transform, shape.vertices)
    assert np.abs(frame.to_physical(places[-1]) - image).max() < 1e-3
    assert layer.extent.world[:, 0].tolist() == [0.0, 1.0]
    assert layer.axis_labels[0] == "t"
    # No triangle joins two times.
    assert len(np.unique(vertices[faces][:, :, 0] @ np.ones(3) % 3)) == 1


def test_surfaces_of_many_labels_stay_light_and_thin_ones_are_not_lost():
    grid = ImageGrid((80, 80, 40), (0.5, 0.5, 1.0))
    data = np.zeros(grid.shape, dtype=np.uint8)
    data[2:38, 4:76, 4:40] = 1
    data[2:38, 4:76, 42:75] = 2
    data[20, :, 77] = 3
    volume = LabelVolume(data, grid)
    fine, light = (shape_of(volume, (1, 2, 3), most) for most in (10**6, 6000))
    assert len(light.faces) < len(fine.faces) / 3
    assert set(np.unique(light.labels)) == {1, 2, 3}
    for label in (1, 2, 3):
        near, far = (shape.vertices[shape.labels == label].mean(axis=0) for shape in (fine, light))
        # The middle of a box does not depend on the bins that its surface is cut from, but for half of one.
        assert np.abs(near - far).max() < 1.0
