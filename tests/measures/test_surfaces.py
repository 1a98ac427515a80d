from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_shapereg.errors import InputError
from napari_shapereg.measures import measure_from_labels, measure_from_mesh, surface_from_labels
from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.labels import LabelVolume

RADIUS = 9.0


@pytest.fixture
def ball(grid, volume_of):
    """A ball of 9 mm on each of the grids, and its centre, off the lattice."""
    center = grid.to_points([[13.4, 12.7, 9.6]])[0]
    return volume_of(grid, lambda points: np.linalg.norm(points - center, axis=1) < RADIUS), center


def test_ball_area(ball):
    volume, _ = ball
    terraced = measure_from_labels(volume, 1, "surface", dtype=torch.float64)
    smoother = measure_from_labels(volume, 1, "surface", binning=(2, 2, 2), dtype=torch.float64)
    true_area = 4 * np.pi * RADIUS**2
    # Marching cubes on a mask cuts corners: 9 to 12 % too much area on a ball, at every resolution.
    assert float(terraced.mass) / true_area == pytest.approx(1.105, abs=0.015)
    assert float(smoother.mass) / true_area == pytest.approx(1.0, abs=0.03)


# Normals of a terraced surface are up to 65 degrees off, and 27 on average; bins take that to 45 and 13.
@pytest.mark.parametrize(("binning", "least", "mean"), [((1, 1, 1), 0.4, 0.88), ((2, 2, 1), 0.6, 0.96)])
def test_ball_normals_point_outwards(ball, binning, least, mean):
    volume, center = ball
    measure = measure_from_labels(volume, 1, "surface", binning=binning, dtype=torch.float64)
    radial = measure.points - torch.from_numpy(center)
    cosines = (measure.normals * radial).sum(dim=1) / radial.norm(dim=1)
    assert float(cosines.min()) > least
    assert float((cosines * measure.weights).sum() / measure.mass) > mean


def test_ball_volume_by_the_divergence_theorem(ball):
    volume, _ = ball
    measure = measure_from_labels(volume, 1, "surface", dtype=torch.float64)
    # The flux of x / 3; taken about the origin, far away, it also checks that the surface is closed.
    flux = float((measure.weights[:, None] * measure.points * measure.normals).sum() / 3)
    assert flux == pytest.approx(int(volume.mask(1).sum()) * volume.grid.voxel_volume, rel=0.01)
    assert flux == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02)


def test_ball_surface_lies_at_its_radius(ball):
    volume, center = ball
    vertices = surface_from_labels(volume, 1).vertices.numpy()
    distances = np.linalg.norm(vertices - center, axis=1)
    # A vertex lies midway between two neighbours, one inside and one outside: at most half of 1.3 mm off.
    assert np.abs(distances - RADIUS).max() < 0.65
    assert distances.mean() == pytest.approx(RADIUS, abs=0.05)


def test_single_voxel_is_an_octahedron(grid):
    data = np.zeros(grid.shape, np.uint8)
    data[4, 7, 11] = 1
    mesh = surface_from_labels(LabelVolume.from_array(data, grid), 1)
    axes = grid.matrix.T / 2
    center = grid.to_points([[11, 7, 4]])
    expected = np.concatenate((center + axes, center - axes))
    found = mesh.vertices.numpy()
    assert len(found) == 6
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - expected, axis=2).min(axis=0), 0, atol=1e-9)
    measure = measure_from_mesh(mesh.vertices, mesh.faces)
    a, b, c = (length / 2 for length in grid.spacing)
    np.testing.assert_allclose(measure.weights, np.sqrt((a * b) ** 2 + (b * c) ** 2 + (c * a) ** 2) / 2)
    outward = measure.points - torch.from_numpy(center)
    assert bool(((measure.normals * outward).sum(dim=1) > 0).all())
    flux = (measure.weights[:, None] * outward * measure.normals).sum() / 3
    assert float(flux) == pytest.approx(4 / 3 * a * b * c)


def test_surface_is_closed_at_the_border_of_the_volume(grid):
    mesh = surface_from_labels(LabelVolume.from_array(np.ones(grid.shape, np.uint8), grid), 1)
    edges = np.concatenate([mesh.faces.numpy()[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    # Closed and consistently oriented: every edge is run through once in each direction.
    assert {tuple(edge) for edge in edges} == {tuple(edge[::-1]) for edge in edges}
    assert len(np.unique(edges, axis=0)) == len(edges)


def test_hollow_label_has_an_inner_surface_facing_the_hole():
    data = np.ones((9, 9, 9), np.uint8)
    data[3:6, 3:6, 3:6] = 0
    measure = measure_from_labels(LabelVolume.from_array(data, ImageGrid((9, 9, 9))), 1, "surface")
    offsets = measure.points - 4
    inner = offsets.norm(dim=1) < 3
    outward = (measure.normals * offsets).sum(dim=1) > 0
    assert 0 < int(inner.sum()) < len(measure)
    assert bool((outward == ~inner).all())


def test_refuses_bins_that_swallow_the_label():
    data = np.zeros((8, 8, 8), np.uint8)
    data[4, 4, 4] = 1
    with pytest.raises(InputError, match=r"binning.*\(2, 2, 2\).*smaller"):
        surface_from_labels(LabelVolume.from_array(data, ImageGrid((8, 8, 8))), 1, binning=(2, 2, 2))


def test_triangle_has_centroid_area_and_normal():
    vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 4, 0], [9, 9, 9]])
    measure = measure_from_mesh(vertices, torch.tensor([[0, 1, 2], [1, 1, 2]]))
    assert measure.points.tolist() == [[1, pytest.approx(4 / 3), 0]]
    assert measure.weights.tolist() == [6]
    assert measure.normals.tolist() == [[0, 0, 1]]


def test_mesh_measure_follows_its_vertices():
    rng = np.random.default_rng(5)
    vertices = torch.from_numpy(rng.normal(size=(5, 3))).requires_grad_()
    # The last triangle has no area: it is left out, and spoils no gradient.
    faces = torch.tensor([[0, 1, 2], [1, 2, 3], [2, 3, 4], [4, 4, 0]])

    def parts(moved):
        measure = measure_from_mesh(moved, faces)
        return measure.points, measure.weights, measure.normals

    assert torch.autograd.gradcheck(parts, (vertices,))


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (torch.zeros(4, 2), torch.tensor([[0, 1, 2]]), r"vertices.*\(4, 2\)"),
        (torch.zeros(4, 3), torch.tensor([[0, 1, 2, 3]]), r"faces.*\(1, 4\)"),
        (torch.zeros(4, 3), torch.zeros((0, 3), dtype=torch.int64), r"faces.*\(0, 3\)"),
        (torch.zeros(4, 3), torch.tensor([[0.0, 1.0, 2.0]]), "faces.*float32"),
        (torch.zeros(4, 3), torch.tensor([[0, 1, 4]]), "faces.*0 to 4.*4"),
        (torch.zeros(4, 3), torch.tensor([[-1, 1, 2]]), "faces.*-1"),
        (torch.zeros(4, 3), torch.tensor([[0, 1, 2]]), "faces.*area"),
    ],
)
def test_refuses_what_is_no_mesh(vertices, faces, message):
    with pytest.raises(InputError, match=message):
        measure_from_mesh(vertices, faces)
