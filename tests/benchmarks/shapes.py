"""Pairs of other shapes than knees, made of formulas: what a preset that suits knees alone would fail on."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from napari_shapereg.volumes import ImageGrid
from napari_shapereg.volumes.phantoms import ball_volume, paint, shell_volume

MARGIN = 12.0


def other_shapes():
    """Return (moving, fixed) by the name of the pair."""
    return {
        "balls": (ball_volume(_cube(44, 1.0), radius=14), ball_volume(_cube(60, 1.0, shift=40), radius=21)),
        "shells": (
            shell_volume(_cube(62, 0.8), radius=20, thickness=2),
            shell_volume(_cube(74, 0.8, shift=-30), radius=26, thickness=3.5),
        ),
        "hippocampi": (
            _painted(_hippocampus(bend=0.6, length=42, thick=7.0), (0.7, 0.7, 1.0), turn=0),
            _painted(_hippocampus(bend=1.1, length=36, thick=5.5), (0.8, 0.8, 0.8), turn=35),
        ),
        "femurs": (
            _painted(_femur(length=400, neck=125, bow=6, head=23), (1.5, 1.5, 2.0), turn=0),
            _painted(_femur(length=440, neck=138, bow=16, head=26), (1.6, 1.6, 1.6), turn=20),
        ),
    }


def _cube(edge, spacing, shift=0.0):
    count = round(edge / spacing)
    return ImageGrid((count,) * 3, (spacing,) * 3, (shift, -shift, shift / 2), tuple(np.eye(3).ravel()))


def _hippocampus(*, bend, length, thick):
    """Return the centres and radii of a bent and tapered tube; `bend`: the angle of its arc, radians."""
    t = np.linspace(0, 1, 25)
    angle, radius = bend * (2 * t - 1), length / (2 * bend)
    centres = np.stack([radius * np.sin(angle), radius * np.cos(angle), 4 * np.sin(3 * t)], axis=1)
    return [(centres, thick * (1 - 0.6 * t) * (1 + 0.15 * np.cos(9 * t)))]


def _femur(*, length, neck, bow, head):
    """Return the tubes of a shaft with two condyles, a neck and a head; `neck`: its angle to the shaft."""
    t = np.linspace(0, 1, 25)
    bowed = bow * np.sin(np.pi * t)
    shaft = np.stack([0 * t, -bowed, length * (t - 0.5)], axis=1)
    slope = np.radians(neck - 90)
    direction = np.array([np.cos(slope), -0.2, np.sin(slope)])
    top = shaft[-1]
    necks = top + np.linspace(0, 2.2 * head, 9)[:, None] * direction
    condyles = shaft[0] + np.array([[-head, 6.0, 0.0], [0.0, -4.0, 4.0], [head, 6.0, 0.0]])
    return [
        (shaft, head * (0.55 + 0.35 * (2 * t - 1) ** 6)),
        (necks, np.full(9, 0.6 * head)),
        (necks[-2:], np.full(2, head)),
        (condyles, np.array([0.95, 0.8, 0.9]) * head),
    ]


def _painted(tubes, spacing, *, turn):
    """Paint tubes, (centres, radii) each, as label 1; `turn`: about an oblique axis, degrees."""
    rotation = Rotation.from_rotvec(np.radians(turn) * np.array([2, -1, 2]) / 3).as_matrix()
    turned = [(centres @ rotation.T, radii) for centres, radii in tubes]
    centres, radii = (np.concatenate(parts) for parts in zip(*turned, strict=True))
    low = (centres - radii[:, None]).min(axis=0) - MARGIN
    high = (centres + radii[:, None]).max(axis=0) + MARGIN
    size = tuple(int(count) for count in np.ceil((high - low) / spacing))
    grid = ImageGrid(size, spacing, tuple(low), tuple(np.eye(3).ravel()))
    return paint(lambda points: _inside(points, turned).astype(np.uint8), grid)


def _inside(points, tubes):
    """Tell which points lie within the radius of a tube, which varies linearly from centre to centre."""
    inside = np.zeros(len(points), bool)
    for centres, radii in tubes:
        for begin, axis, start, growth in zip(
            centres, np.diff(centres, axis=0), radii, np.diff(radii), strict=False
        ):
            share = np.clip((points - begin) @ axis / (axis @ axis), 0, 1)
            distance = np.linalg.norm(points - begin - share[:, None] * axis, axis=1)
            inside |= distance <= start + share * growth
    return inside
