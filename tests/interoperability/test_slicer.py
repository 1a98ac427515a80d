"""3D Slicer, which no registry has: its rules for files, kept with h5py and arithmetic instead of ITK.

Slicer (`vtkMRMLTransformStorageNode`, `vtkITKTransformConverter`) loads one transform, or one composite of
affine maps and displacement fields in double precision; it turns each into RAS, and applies the last one of a
composite first. Displacement images are LPS vectors.
"""

from __future__ import annotations

import json

import h5py
import numpy as np
from scipy import ndimage

from napari_shapereg.transforms import PointSet, read_points, transform_points, write_points
from tests.interoperability.conftest import foreground

SIGNS = np.array([-1.0, -1.0, 1.0])
KINDS = {"AffineTransform_double_3_3", "DisplacementFieldTransform_double_3_3"}


def slicer_transform(path):
    """Return the map of a file as a function of (N, 3) points, RAS mm."""
    with h5py.File(path) as file:
        group = file["TransformGroup"]
        members = [
            (
                group[name]["TransformType"][0].decode(),
                np.array(group[name]["TransformParameters"]),
                np.array(group[name]["TransformFixedParameters"]),
            )
            for name in sorted((name for name in group if name != "0"), key=int)
        ]
        assert group["0"]["TransformType"][0] == b"CompositeTransform_double_3_3"
    assert {kind for kind, _, _ in members} <= KINDS

    def apply(points):
        for kind, parameters, fixed in reversed(members):
            step = _affine if kind.startswith("Affine") else _grid
            points = step(points, parameters, fixed)
        return points

    return apply


def _affine(points, parameters, centre):
    matrix, shift = parameters[:9].reshape(3, 3), parameters[9:]
    offset = shift + centre - matrix @ centre
    flip = np.diag(SIGNS)
    return points @ (flip @ matrix @ flip).T + SIGNS * offset


def _grid(points, parameters, fixed):
    size, origin, spacing = fixed[:3].astype(int), fixed[3:6] * SIGNS, fixed[6:9]
    axes = np.diag(SIGNS) @ fixed[9:].reshape(3, 3) * spacing
    vectors = parameters.reshape(*size[::-1], 3) * SIGNS
    indices = (points - origin) @ np.linalg.inv(axes).T
    # Slicer takes the nearest border beyond the grid, ITK nothing: ours are zero there.
    moves = [
        ndimage.map_coordinates(vectors[..., axis], indices[:, ::-1].T, order=1, mode="nearest")
        for axis in range(3)
    ]
    return points + np.stack(moves, axis=1)


def test_our_files_keep_its_rules(case):
    points = np.concatenate([foreground(case.moving), foreground(case.fixed) + 60.0])
    for name, ours in (
        ("fixed_to_moving.h5", case.result.transform),
        ("moving_to_fixed.h5", case.result.inverse_transform),
    ):
        theirs = slicer_transform(case.folder / name)(points * SIGNS) * SIGNS
        np.testing.assert_allclose(theirs, transform_points(ours, points), atol=1e-6)


# As Slicer 5.6 writes a point list, less what it says of colours and sizes.
SAVED = {
    "@schema": "https://example.org/markups-schema-v1.0.3.json#",
    "markups": [
        {
            "type": "Fiducial",
            "coordinateSystem": "LPS",
            "coordinateUnits": "mm",
            "locked": False,
            "fixedNumberOfControlPoints": False,
            "labelFormat": "%N-%d",
            "lastUsedControlPointNumber": 3,
            "controlPoints": [
                {
                    "id": "1",
                    "label": "medial",
                    "description": "",
                    "associatedNodeID": "vtkMRMLScalarVolumeNode1",
                    "position": [-12.5, 3.0, 40.25],
                    "orientation": [-1.0, -0.0, -0.0, -0.0, -1.0, -0.0, 0.0, 0.0, 1.0],
                    "selected": True,
                    "positionStatus": "defined",
                },
                {"id": "2", "label": "later", "position": [], "positionStatus": "undefined"},
                {"id": "3", "label": "latéral", "position": [1.0, 2.0, 3.0], "positionStatus": "defined"},
            ],
            "measurements": [],
        }
    ],
}


def test_its_landmarks_are_read(tmp_path):
    path = tmp_path / "F.mrk.json"
    path.write_text(json.dumps(SAVED), encoding="utf-8")
    points = read_points(path)
    np.testing.assert_array_equal(points.points, [[-12.5, 3.0, 40.25], [1.0, 2.0, 3.0]])
    assert points.columns == {"label": ("medial", "latéral")}
    SAVED["markups"][0]["coordinateSystem"] = "RAS"
    path.write_text(json.dumps(SAVED), encoding="utf-8")
    np.testing.assert_array_equal(read_points(path).points, [[12.5, -3.0, 40.25], [-1.0, -2.0, 3.0]])


def test_our_landmarks_say_what_it_asks_for(tmp_path):
    given = PointSet(np.array([[1.5, 2.0, 3.0], [4.0, 5.0, 6.0]]), columns={"name": ("a", "b")})
    path = write_points(given, tmp_path / "ours.mrk.json")
    written = json.loads(path.read_text(encoding="utf-8"))
    # It reads files whose schema has this ending alone.
    assert written["@schema"].endswith("markups-schema-v1.0.3.json#")
    (markup,) = written["markups"]
    assert markup["type"] == "Fiducial"
    assert markup["coordinateSystem"] == "LPS"
    assert [point["label"] for point in markup["controlPoints"]] == ["a", "b"]
    back = read_points(path)
    np.testing.assert_array_equal(back.points, given.points)
    assert back.columns == {"label": ("a", "b")}


# As Slicer 4.10 and 4.13 write one.
OLD = """# Markups fiducial file version = 4.{minor}
# CoordinateSystem = {frame}
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
vtkMRMLMarkupsFiducialNode_0,12.5,-3,40.25,0,0,0,1,1,1,0,"medial, inner",,vtkMRMLScalarVolumeNode1
"""


def test_its_older_landmarks_are_read(tmp_path):
    for minor, frame, signs in ((10, "0", SIGNS), (11, "RAS", SIGNS), (13, "LPS", 1), (12, "1", 1)):
        (tmp_path / "F.fcsv").write_text(OLD.format(minor=minor, frame=frame))
        points = read_points(tmp_path / "F.fcsv")
        np.testing.assert_array_equal(points.points, signs * np.array([[12.5, -3.0, 40.25]]))
        assert points.columns["label"] == ("medial, inner",)


def test_the_examples_of_the_page(as_on_the_page, typed, tmp_path):
    points = PointSet(foreground(as_on_the_page.moving)[::300])
    write_points(points, tmp_path / "landmarks.mrk.json")
    out = typed("3D Slicer")
    carried = read_points(tmp_path / "carried.mrk.json").points
    ours = transform_points(as_on_the_page.result.inverse_transform, points.points)
    np.testing.assert_allclose(carried, ours, atol=1e-9)
    # There and back: what is left is how well the two maps undo each other.
    (line,) = [line for line in out.splitlines() if line.startswith("maximum")]
    before, after = map(float, line.split()[1:])
    assert before > 30
    assert after < 0.3
