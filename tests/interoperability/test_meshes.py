"""VTK and meshio read our meshes and displacements, and we read theirs."""

from __future__ import annotations

import numpy as np
import pytest

from napari_shapereg.transforms import Cells, PointSet, read_points, write_points
from tests.interoperability.peers import meshio_columns, vtk_polydata, vtk_sphere

POINTS = np.array([[0.1, 1.25, -2.0], [1e-3, 200.125, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.5]])
VECTORS = np.array([[1.0, 0.0, -0.5], [0.25, 0.0, 0.0], [0.0, 0.0, 0.0], [-3.0, 2.0, 1.0]])
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])
MESH = PointSet(POINTS, (Cells("polygons", np.array([3, 3]), TRIANGLES.ravel()),), vectors=VECTORS)


@pytest.mark.parametrize("ending", [".vtk", ".ply"])
def test_our_files_are_read(apart, tmp_path, ending):
    path = write_points(MESH, tmp_path / f"mesh{ending}")
    points, triangles, vectors = apart(vtk_polydata, path)
    np.testing.assert_allclose(points, POINTS, rtol=1e-6)
    np.testing.assert_array_equal(triangles, TRIANGLES)
    if ending == ".vtk":
        np.testing.assert_array_equal(vectors, VECTORS)
        return
    columns = apart(meshio_columns, path)
    np.testing.assert_array_equal(np.stack([columns[f"d{axis}"] for axis in "xyz"], axis=1), VECTORS)


@pytest.mark.parametrize(("name", "version"), [("a.vtk", 42), ("a.vtk", 51), ("a.ply", 0)])
def test_its_files_are_read(apart, tmp_path, name, version):
    points, triangles = apart(vtk_sphere, tmp_path / name, version)
    mesh = read_points(tmp_path / name)
    np.testing.assert_array_equal(mesh.points, points)
    np.testing.assert_array_equal(mesh.cells[-1].indices.reshape(-1, 3), triangles)
