from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.transforms import affine_transform, chain, displacement_transform
from napari_shapereg.transforms.containers import members
from napari_shapereg.volumes import ImageGrid


def test_a_displacement_field_moves_its_nodes_by_its_vectors(field, lattice):
    transform = displacement_transform(field, lattice)
    for z, y, x in ((5, 6, 7), (1, 11, 3), (10, 2, 13)):
        node = lattice.to_points([[x, y, z]])[0]
        # Exact up to the rounding of an index that is not a whole number any more.
        np.testing.assert_allclose(transform.TransformPoint(node), node + field[z, y, x], atol=1e-12)


def test_a_displacement_field_is_linear_between_nodes_and_zero_outside():
    vectors = np.zeros((2, 2, 2, 3))
    vectors[..., 0] = np.arange(2)  # u_x = x
    transform = displacement_transform(vectors, ImageGrid((2, 2, 2)))
    assert transform.TransformPoint((0.25, 0.5, 0.5)) == (0.5, 0.5, 0.5)
    assert transform.TransformPoint((1.4, 0.5, 0.5)) == (2.4, 0.5, 0.5)  # clamped within half a voxel
    assert transform.TransformPoint((1.6, 0.5, 0.5)) == (1.6, 0.5, 0.5)  # the identity beyond


def test_the_field_given_is_copied(field, lattice):
    before = field.copy()
    transform = displacement_transform(field, lattice)
    node = lattice.to_points([[7, 6, 5]])[0]
    moved = transform.TransformPoint(node)
    np.testing.assert_array_equal(field, before)
    field[:] = 0
    assert transform.TransformPoint(node) == moved


def test_an_affine_transform_is_the_matrix_then_the_translation():
    matrix = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [0.5, 0.0, 1.0]])
    transform = affine_transform(matrix, [10.0, 20.0, 30.0])
    point = np.array([1.0, -2.0, 4.0])
    np.testing.assert_allclose(transform.TransformPoint(point), matrix @ point + [10.0, 20.0, 30.0])


def test_a_chain_applies_the_first_transform_first():
    double = affine_transform(2 * np.eye(3), np.zeros(3))
    shift = affine_transform(np.eye(3), [1.0, 0.0, 0.0])
    assert chain(double, shift).TransformPoint((3.0, 0.0, 0.0)) == (7.0, 0.0, 0.0)
    assert chain(shift, double).TransformPoint((3.0, 0.0, 0.0)) == (8.0, 0.0, 0.0)


def test_chains_in_chains_are_unpacked():
    shift = affine_transform(np.eye(3), [1.0, 0.0, 0.0])
    double = affine_transform(2 * np.eye(3), np.zeros(3))
    nested = chain(shift, chain(double, chain(shift, shift)))
    assert nested.GetNumberOfTransforms() == 4
    assert nested.TransformPoint((3.0, 0.0, 0.0)) == (10.0, 0.0, 0.0)


def test_members_come_in_the_order_in_which_they_are_applied():
    shifts = [sitk.TranslationTransform(3, (float(number), 0.0, 0.0)) for number in range(4)]
    # SimpleITK's lists are in the order of matrix products.
    nested = sitk.CompositeTransform([shifts[3], sitk.CompositeTransform([shifts[2], shifts[1]]), shifts[0]])
    assert [member.GetParameters()[0] for member in members(nested)] == [0, 1, 2, 3]
    assert [member.GetParameters()[0] for member in members(shifts[2])] == [2]


def test_outside_the_field_the_map_is_the_affine(smooth_map, affine, lattice):
    for index in ((-0.6, 5, 5), (14.6, 5, 5), (7, -3, 5), (7, 6, 40)):
        point = lattice.to_points([index])[0]
        np.testing.assert_allclose(smooth_map.TransformPoint(point), affine.TransformPoint(point), atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: displacement_transform(np.zeros((2, 2, 3, 3)), ImageGrid((2, 2, 3))), "shape"),
        (lambda: displacement_transform(np.full((2, 2, 2, 3), np.nan), ImageGrid((2, 2, 2))), "NaN"),
        (lambda: affine_transform(np.eye(4), np.zeros(3)), r"\(4, 4\)"),
        (lambda: affine_transform(np.diag([1.0, 1.0, 0.0]), np.zeros(3)), "singular"),
        (lambda: affine_transform(np.eye(3), [0.0, np.inf, 0.0]), "finite"),
        (chain, "at least one"),
        (lambda: chain(sitk.Transform(2, sitk.sitkIdentity)), "2-D"),
        (lambda: chain("fixed_to_moving.h5"), "read_transform"),
    ],
)
def test_what_is_no_transform_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
