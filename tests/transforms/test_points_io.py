from __future__ import annotations

import struct

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.transforms import Cells, PointSet, read_points, write_arrows, write_points

TRIANGLES = Cells("polygons", np.array([3, 3]), np.array([0, 1, 2, 0, 2, 3]))
MESH = PointSet(
    np.array([[0.1, 1.25, -2.0], [1e-7, 200.123456789, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]), (TRIANGLES,)
)


def cells_of(points):
    return [(cells.kind, cells.sizes.tolist(), cells.indices.tolist()) for cells in points.cells]


@pytest.mark.parametrize("ending", [".vtk", ".ply", ".PLY"])
def test_a_mesh_comes_back(tmp_path, ending):
    back = read_points(write_points(MESH, tmp_path / f"mesh{ending}"))
    np.testing.assert_allclose(back.points, MESH.points, rtol=1e-11)  # 12 digits are written
    assert cells_of(back) == cells_of(MESH)


@pytest.mark.parametrize("ending", [".vtk", ".ply", ".csv"])
def test_points_alone_come_back(tmp_path, ending):
    back = read_points(write_points(PointSet(MESH.points), tmp_path / f"points{ending}"))
    np.testing.assert_allclose(back.points, MESH.points, rtol=1e-11)
    empty = read_points(write_points(PointSet(np.zeros((0, 3))), tmp_path / f"empty{ending}"))
    assert empty.points.shape == (0, 3)


def test_a_moved_mesh_keeps_its_cells():
    moved = MESH.moved(MESH.points + 1)
    assert moved.cells == MESH.cells
    np.testing.assert_array_equal(moved.points, MESH.points + 1)


def test_a_table_keeps_its_other_columns(tmp_path):
    (tmp_path / "landmarks.csv").write_text(
        '\ufeffname,X,y,z\n"condyle, medial",1,2.5,-3\nnotch,4,5,6e1\n', "utf-8"
    )
    landmarks = read_points(tmp_path / "landmarks.csv")
    np.testing.assert_array_equal(landmarks.points, [[1, 2.5, -3], [4, 5, 60]])
    write_points(landmarks.moved(landmarks.points * 2), tmp_path / "moved.csv")
    assert (tmp_path / "moved.csv").read_text("utf-8") == (
        'x,y,z,name\n2,5,-6,"condyle, medial"\n8,10,120,notch\n'
    )


def test_a_row_may_begin_as_a_comment(tmp_path):
    text = "# CoordinateSystem = LPS\n# columns = name,x,y,z\nnotch,1,2,3\n# 2,4,5,6\n"
    (tmp_path / "landmarks.csv").write_text(text)
    landmarks = read_points(tmp_path / "landmarks.csv")
    np.testing.assert_array_equal(landmarks.points, [[1, 2, 3], [4, 5, 6]])
    assert landmarks.columns["name"] == ("notch", "# 2")


def test_arrows_are_point_vectors(tmp_path):
    points, vectors = MESH.points[:2], np.array([[1.0, 0.0, -0.5], [0.25, 0.0, 0.0]])
    text = write_arrows(points, vectors, tmp_path / "arrows.vtk").read_text()
    assert text.endswith("POINT_DATA 2\nVECTORS displacement double\n1 0 -0.5\n0.25 0 0\n")
    assert cells_of(read_points(tmp_path / "arrows.vtk")) == [("vertices", [1, 1], [0, 1])]
    table = read_points(write_arrows(points, vectors, tmp_path / "arrows.csv"))
    assert table.columns == {"dx": ("1", "0.25"), "dy": ("0", "0"), "dz": ("-0.5", "0")}
    with pytest.raises(InputError, match="needs a finite vector"):
        write_arrows(points, vectors[:1], tmp_path / "arrows.vtk")


# The two generations of the format, as VTK 9 writes them, with everything that a reader must step over.
VTK_42 = """# vtk DataFile Version 4.2
3D Slicer output. SPACE=LPS
ASCII
DATASET POLYDATA
FIELD FieldData 1
lengths 1 3 double
1 2 3
POINTS 4 float
0 0 0 1 0 0 0 1 0
0 0 1
METADATA
INFORMATION 0

LINES 1 4
3 0 1 2
POLYGONS 2 9
3 0 1 2
4 0 1 2 3

POINT_DATA 4
SCALARS thickness float
LOOKUP_TABLE default
1 2 3 4
"""
VTK_51 = """# vtk DataFile Version 5.1
3D Slicer output. SPACE=RAS
ASCII
DATASET POLYDATA
POINTS 4 float
0 0 0 1 2 3 0 1 0 0 0 1

POLYGONS 3 7
OFFSETS vtktypeint64
0 3 7
CONNECTIVITY vtktypeint64
0 1 2 0 1 2 3
"""


def test_vtk_files_of_version_4(tmp_path):
    (tmp_path / "old.vtk").write_text(VTK_42)
    mesh = read_points(tmp_path / "old.vtk")
    np.testing.assert_array_equal(mesh.points, [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert cells_of(mesh) == [("lines", [3], [0, 1, 2]), ("polygons", [3, 4], [0, 1, 2, 0, 1, 2, 3])]


def test_vtk_files_of_version_5_and_in_ras(tmp_path):
    (tmp_path / "new.vtk").write_text(VTK_51)
    mesh = read_points(tmp_path / "new.vtk")
    assert mesh.points[1].tolist() == [-1, -2, 3]
    assert cells_of(mesh) == [("polygons", [3, 4], [0, 1, 2, 0, 1, 2, 3])]


def test_binary_vtk_is_big_endian(tmp_path):
    (tmp_path / "binary.vtk").write_bytes(
        b"# vtk DataFile Version 4.2\n\nBINARY\nDATASET POLYDATA\nPOINTS 3 float\n"
        + struct.pack(">9f", *range(9))
        + b"\nPOLYGONS 1 4\n"
        + struct.pack(">4i", 3, 0, 1, 2)
        + b"\n"
    )
    mesh = read_points(tmp_path / "binary.vtk")
    np.testing.assert_array_equal(mesh.points, np.arange(9).reshape(3, 3))
    assert cells_of(mesh) == [("polygons", [3], [0, 1, 2])]


PLY_HEADER = """ply
format {} 1.0
comment made elsewhere
element vertex 3
property float x
property float y
property float z
property uchar red
element face 1
property uchar quality
property list uchar int vertex_index
element edge 1
property int vertex1
property int vertex2
end_header
"""


@pytest.mark.parametrize(("form", "order"), [("binary_little_endian", "<"), ("binary_big_endian", ">")])
def test_binary_ply(tmp_path, form, order):
    rows = b"".join(struct.pack(order + "3fB", *row, 255) for row in np.arange(9).reshape(3, 3))
    faces = struct.pack(order + "BB3i", 9, 3, 2, 1, 0)
    (tmp_path / "mesh.ply").write_bytes(
        PLY_HEADER.format(form).encode() + rows + faces + struct.pack(order + "2i", 0, 2)
    )
    mesh = read_points(tmp_path / "mesh.ply")
    np.testing.assert_array_equal(mesh.points, np.arange(9).reshape(3, 3))
    assert cells_of(mesh) == [("polygons", [3], [2, 1, 0]), ("lines", [2], [0, 2])]


def test_ascii_ply_with_properties_that_are_stepped_over(tmp_path):
    body = "0 1 2 255\n3 4 5 255\n6 7 8 255\n9 3 2 1 0\n0 2\n"
    (tmp_path / "mesh.ply").write_text(
        PLY_HEADER.format("ascii").replace("made elsewhere", "SPACE=RAS") + body
    )
    mesh = read_points(tmp_path / "mesh.ply")
    np.testing.assert_array_equal(mesh.points, np.arange(9).reshape(3, 3) * [-1, -1, 1])
    assert cells_of(mesh) == [("polygons", [3], [2, 1, 0]), ("lines", [2], [0, 2])]


@pytest.mark.parametrize("ending", [".vtk", ".ply"])
def test_a_file_cut_anywhere_is_read_or_refused_by_name(tmp_path, ending):
    whole = {
        ".vtk": VTK_51,
        ".ply": PLY_HEADER.format("ascii") + "0 1 2 9\n3 4 5 9\n6 7 8 9\n9 3 2 1 0\n0 2\n",
    }[ending]
    cut = tmp_path / f"cut{ending}"
    refused = 0
    for length in range(0, len(whole) - 2, 3):
        cut.write_text(whole[:length])
        try:
            read_points(cut)
        except InputError as error:
            refused += 1
            assert str(error).startswith(f"{cut}: ")  # noqa: PT017
    # A cut behind the points and before the next keyword leaves a complete file.
    assert refused > 0.8 * len(range(0, len(whole) - 2, 3))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.vtk", "<VTKFile type='PolyData'>", "no legacy VTK"),
        ("a.vtk", "# vtk DataFile Version 3.0\n\nASCII\nDATASET UNSTRUCTURED_GRID\n", "POLYDATA"),
        ("a.vtk", "# vtk DataFile Version 3.0\n\nASCII\nDATASET POLYDATA\n", "no POINTS"),
        ("a.vtk", VTK_42.replace("4 0 1 2 3", "4 0 1 2 4"), "points 0 to 4, there are 4"),
        ("a.vtk", VTK_42.replace("0 0 1\n", "0 0 nan\n"), "finite"),
        ("a.vtk", VTK_42.replace("0 0 1\n", "0 0 one\n"), "numbers are expected"),
        ("a.vtk", VTK_42.replace("POINTS 4", "POINTS -4"), "count is missing"),
        ("a.vtk", VTK_42.replace("4 float", "4 quadruple"), "quadruple"),
        ("a.vtk", VTK_42.replace("4 0 1 2 3", "9 0 1 2 3"), "damaged"),
        ("a.ply", "solid", "no PLY"),
        ("a.ply", PLY_HEADER.format("ternary"), "format"),
        ("a.ply", PLY_HEADER.format("ascii") + "0 1 2", "damaged"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nend_header\n", "x, y and z"),
        ("a.csv", "", "columns x, y and z"),
        ("a.csv", "a,b\n1,2\n", "columns x, y and z"),
        ("a.csv", "x,y,z\n1,2\n", "row 2 has 2 values"),
        ("a.csv", "x,y,z\n1,2,three\n", "must be numbers"),
        ("a.csv", "x,y,z\n1,2,inf\n", "finite"),
        ("a.stl", "solid", "unknown"),
    ],
)
def test_bad_files_are_named_with_what_is_wrong(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf"(?s){name}: .*{message}"):
        read_points(tmp_path / name)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_points(tmp_path / "nowhere.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="directory"):
        read_points(tmp_path / "folder.csv")
    (tmp_path / "latin.csv").write_bytes(b"x,y,z,name\n1,2,3,\xe9\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_points(tmp_path / "latin.csv")


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    strips = PointSet(MESH.points, (Cells("strips", np.array([4]), np.arange(4)),))
    with pytest.raises(InputError, match=r"write a \.vtk"):
        write_points(strips, tmp_path / "strips.ply")
    assert list(tmp_path.iterdir()) == []
    assert cells_of(read_points(write_points(strips, tmp_path / "strips.vtk"))) == cells_of(strips)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PointSet(np.zeros((3, 2))), "shape"),
        (lambda: PointSet(np.zeros((3, 3)), columns={"name": ("a",)}), "'name' has 1 values for 3"),
        (
            lambda: PointSet(np.zeros((3, 3)), (Cells("tetrahedra", np.array([4]), np.arange(4)),)),
            "tetrahedra",
        ),
        (
            lambda: PointSet(np.zeros((3, 3)), (Cells("lines", np.array([3]), np.arange(2)),)),
            "list 3 points, 2",
        ),
    ],
)
def test_sets_that_do_not_hang_together_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
