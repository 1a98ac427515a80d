from __future__ import annotations

import json

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.transforms import PointSet, paired_landmarks, read_points, write_points

POINTS = np.arange(9.0).reshape(3, 3)


def landmarks(names, points=POINTS, column="label"):
    return PointSet(points[: len(names)], columns={column: tuple(names)})


def test_names_pair_whatever_their_order():
    pairs = paired_landmarks(landmarks("abc"), landmarks("cab", column="name"))
    assert pairs.names == ("a", "b", "c")
    np.testing.assert_array_equal(pairs.fixed, POINTS)
    np.testing.assert_array_equal(pairs.moving, POINTS[[1, 2, 0]])


def test_without_names_the_order_pairs():
    for fixed in (PointSet(POINTS), landmarks("abc")):
        pairs = paired_landmarks(fixed, PointSet(POINTS + 1))
        np.testing.assert_array_equal(pairs.moving, POINTS + 1)
        assert len(pairs.names) == 3


@pytest.mark.parametrize(
    ("fixed", "moving", "message"),
    [
        (landmarks("abc"), landmarks("abd"), "only in one set: c, d"),
        (landmarks("aab"), landmarks("aab"), "more than once: a"),
        (landmarks("ab"), landmarks("abc"), "only in one set: c"),
        (PointSet(POINTS), PointSet(POINTS[:2]), "3 fixed and 2 moving ones do not pair"),
    ],
)
def test_what_does_not_pair_is_refused(fixed, moving, message):
    with pytest.raises(InputError, match=message):
        paired_landmarks(fixed, moving)


def test_a_table_may_say_its_frame(tmp_path):
    (tmp_path / "ras.csv").write_text("# CoordinateSystem = RAS\nlabel,x,y,z\na,1,2,3\n")
    np.testing.assert_array_equal(read_points(tmp_path / "ras.csv").points, [[-1, -2, 3]])
    (tmp_path / "odd.csv").write_text("# CoordinateSystem = IJK\nx,y,z\n1,2,3\n")
    with pytest.raises(InputError, match=r"odd\.csv: the frame .* LPS or RAS, got 'IJK'"):
        read_points(tmp_path / "odd.csv")


def test_a_table_keeps_displacements(tmp_path):
    path = write_points(PointSet(POINTS[:1], vectors=POINTS[1:2]), tmp_path / "moved.csv")
    assert path.read_text() == "x,y,z,dx,dy,dz\n0,1,2,3,4,5\n"
    # Of a table that had displacements the new ones stand.
    back = read_points(path)
    again = write_points(PointSet(back.points, columns=back.columns, vectors=POINTS[2:]), path)
    assert again.read_text() == "x,y,z,dx,dy,dz\n0,1,2,6,7,8\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: [], "no markups file"),
        (lambda content: {"markups": 3}, "no markups file"),
        (lambda content: {"markups": [[1]]}, "no markups file"),
        (lambda content: {"markups": [{"controlPoints": [{"position": [1, 2]}]}]}, "no markups file"),
        (
            lambda content: {"markups": [{"controlPoints": [{"position": [1, 2, None]}]}]},
            "no markups file|finite",
        ),
        (lambda content: {"markups": [{"controlPoints": [{}]}]}, "no markups file"),
        (lambda content: {"markups": [{"coordinateUnits": ["um", "UCUM", "micrometer"]}]}, "must be in mm"),
        (
            lambda content: {
                "markups": [{"coordinateSystem": "IJK", "controlPoints": [{"position": [1, 2, 3]}]}]
            },
            "LPS or RAS, got 'IJK'",
        ),
    ],
)
def test_broken_markups_are_refused(tmp_path, change, message):
    (tmp_path / "F.mrk.json").write_text(json.dumps(change(None)))
    with pytest.raises(InputError, match=rf"F\.mrk\.json: .*({message})"):
        read_points(tmp_path / "F.mrk.json")


def test_nested_json_does_not_break_the_stack(tmp_path):
    (tmp_path / "deep.mrk.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="no markups file"):
        read_points(tmp_path / "deep.mrk.json")
