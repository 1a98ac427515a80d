"""A registration that was really run: inspected, exported, and loaded again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.former_results import open_volumes, read_former
from napari_shapereg.plugin.inspected import Inspected, Side
from napari_shapereg.plugin.inspection import Inspection
from napari_shapereg.plugin.layers import labels_layer
from napari_shapereg.plugin.maps import BENDING, DISPLACEMENT, LOG_JACOBIAN
from napari_shapereg.registration import RegistrationSettings, register
from napari_shapereg.transforms import transform_points

QUICK = RegistrationSettings().changed(
    pitch=3.0, max_steps=4, measures={"points": 200}, voxels={"coarsening": (1,), "blurs": ((1.5,),)}
)


@pytest.fixture(scope="module")
def result(unmoved_pair):
    return register(unmoved_pair.moving, unmoved_pair.fixed, settings=QUICK)


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    place = tmp_path_factory.mktemp("results") / "first try"
    inspection = Inspection(ViewerModel())
    inspection.choose(result)
    inspection.export_result(place, report=False, jacobian=True)
    inspection.close()
    return place


@pytest.fixture
def viewer():
    return ViewerModel()


def test_the_export_is_what_the_command_line_writes(folder):
    assert {file.name for file in folder.iterdir()} == {
        "fixed_to_moving.h5",
        "jacobian.nii.gz",
        "metrics.json",
        "moving_to_fixed.h5",
        "settings.json",
        "warped_labels.nii.gz",
    }


def test_a_folder_that_holds_something_is_not_overwritten(result, folder):
    inspection = Inspection(ViewerModel())
    inspection.choose(result)
    with pytest.raises(InputError, match="exists and is not empty"):
        inspection.export_result(folder, report=False)


def test_volumes_that_were_in_no_file_are_asked_for(folder):
    with pytest.raises(InputError, match="open the two volumes as layers, and load the result again"):
        read_former(folder, [])


def test_volumes_are_found_among_the_open_layers(viewer, folder, result, tmp_path):
    viewer.add_image(np.zeros((3, 4, 5)))
    viewer.add_labels(np.zeros((3, 4, 5), dtype=int))  # empty: no volume that could be registered
    for name, volume in (("b", result.fixed), ("a", result.moving)):
        viewer.add_layer(Layer.create(*labels_layer(volume, name)))
    assert len(open_volumes(viewer)) == 2
    inspection = Inspection(viewer)
    inspection.load(folder)
    np.testing.assert_array_equal(inspection.inspected.pair.warped.data, result.warped.data)
    assert inspection.comparing.layers[Side.FIXED].name == "b"
    assert inspection.comparing.layers[Side.AFTER].name == "first try registered"
    assert inspection.results() == {"first try registered": inspection.inspected.pair}
    assert_same_numbers(inspection.inspected.pair.measured.to_dict(), result.measured.to_dict())
    assert inspection.inspected.pair.metrics == json.loads(json.dumps(result.metrics))
    inspection.export_result(tmp_path / "copy", report=False, jacobian=True)
    assert {file.name for file in (tmp_path / "copy").iterdir()} == {file.name for file in folder.iterdir()}
    inspection.close()


def assert_same_numbers(found, expected):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_same_numbers(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same_numbers(one, other)
    else:
        # The folder keeps transforms in double precision.
        assert found == (
            pytest.approx(expected, rel=1e-6, abs=1e-9) if isinstance(expected, float) else expected
        )


def test_maps_on_the_surface_are_those_of_the_image_there(result):
    inspected = Inspected(result)
    mesh = inspected.meshes(Side.AFTER)[1]
    moved = transform_points(result.transform, mesh.vertices)
    np.testing.assert_allclose(
        inspected.on_surface(DISPLACEMENT, 1), np.linalg.norm(moved - mesh.vertices, axis=1)
    )
    for quantity, tolerance in ((BENDING, 0.05), (LOG_JACOBIAN, 0.1)):
        image, grid = inspected.map(quantity)
        nearest = np.rint(grid.to_indices(mesh.vertices)).astype(int)
        inside = np.all((nearest >= 1) & (nearest < np.array(grid.size) - 1), axis=1)
        x, y, z = nearest[inside].T
        # Up to half a voxel, 0.5 to 0.75 mm, apart; the lattice of the flow has 3 mm.
        apart = np.abs(inspected.on_surface(quantity, 1)[inside] - image[z, y, x])
        assert np.median(apart) < tolerance


def test_the_affine_side_is_what_the_linear_stage_alone_gives(result):
    inspected = Inspected(result)
    moving = inspected.meshes(Side.BEFORE)[1].vertices
    np.testing.assert_allclose(inspected.meshes(Side.AFFINE)[1].vertices, result.affine.apply(moving))
    # The shift of 3.7 mm is undone by the linear stage, the rest by the flow.
    fixed = inspected.volume(Side.FIXED).data == 1
    shares = [
        np.mean(inspected.volume(side).data[fixed] == 1) for side in (Side.BEFORE, Side.AFFINE, Side.AFTER)
    ]
    assert shares[0] < shares[1]
    assert shares[1] > 0.8
    assert shares[2] > 0.8
