"""Where registrations break: one knee turned, moved, scaled, mirrored and cut, by this project and others.

    python tests/benchmarks/bench_failures.py --peers PYTHON [--methods fast,...] [--output FOLDER]

The knees are the samples. Every method starts as it would by itself: this project from the preset alone (and
``--overlap partial`` where the view is cut, as its help says), ANTs and elastix from centres of mass and
their own affine stages, Greedy from moments of second order and its own. Prints the smaller Dice of the two
labels, or what ended the run, and writes `failures.json` into FOLDER.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from napari_shapereg import read_labels
from napari_shapereg.quality import label_agreement
from napari_shapereg.transforms import chain, read_transform, resample_labels
from napari_shapereg.volumes import ImageGrid, LabelVolume, sample_pair, write_labels

HERE = Path(__file__).resolve().parent
SHAPEREG = Path(sys.executable).parent / "shapereg"
OURS = ("fast", "balanced")
PEERS = ("ants_synquick", "greedy", "elastix")
LIMIT_S = 300
PARTIAL = ("--overlap", "partial")


def main():
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    methods = options.methods.split(",")
    moving, fixed = sample_pair("knees")
    print("| the moving knee is | " + " | ".join(methods) + " |")
    print("|---|" + "---|" * len(methods))
    rows = {}
    for name, (posed, extra) in _cases(moving).items():
        rows[name] = {method: _dice(method, posed, fixed, extra, options.peers) for method in methods}
        print(f"| {name} | " + " | ".join(map(_cell, rows[name].values())) + " |", flush=True)
    (options.output / "failures.json").write_text(json.dumps(rows, indent=2) + "\n")


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--methods", default=",".join((*OURS, *PEERS)))
    parser.add_argument("--output", type=Path, default=Path("bench_output"))
    return parser.parse_args()


def _cases(knee):
    """Return what is done to the moving knee, and what our command line is told about it."""
    planes, rows, _ = knee.bounding_box()
    middle, half = (planes.start + planes.stop) // 2, (rows.start + rows.stop) // 2
    mirrored = LabelVolume(knee.data[:, :, ::-1].copy(), knee.grid)
    return {
        "as it is": (knee, ()),
        "turned by 45°": (_posed(knee, turn=45), ()),
        "turned by 90°": (_posed(knee, turn=90), ()),
        "turned by 180°": (_posed(knee, turn=180), ()),
        "moved by 2 m": (_posed(knee, shift=2000), ()),
        "half as large": (_posed(knee, scale=0.5), ()),
        "twice as large": (_posed(knee, scale=2.0), ()),
        "its mirror image": (mirrored, ()),
        "cut in half, across": (_cut(knee, 0, middle), PARTIAL),
        "cut in half, along": (_cut(knee, 1, half), PARTIAL),
    }


def _posed(volume, *, turn=0.0, scale=1.0, shift=0.0):
    """Return the same voxels elsewhere: turned about an oblique axis, degrees, scaled and moved, mm."""
    axis = np.array([2.0, -1.0, 2.0]) / 3
    rotation = Rotation.from_rotvec(turn * axis, degrees=True).as_matrix()
    grid = volume.grid
    return LabelVolume(
        volume.data,
        ImageGrid(
            grid.size,
            tuple(scale * length for length in grid.spacing),
            tuple(scale * rotation @ grid.origin + shift * axis),
            tuple((rotation @ np.reshape(grid.direction, (3, 3))).ravel()),
        ),
    )


def _cut(volume, axis, first):
    """Return the part of a volume from an index along a (z, y, x) axis on."""
    start = [0, 0, 0]
    start[2 - axis] = first
    size = [count - begin for count, begin in zip(volume.grid.size, start, strict=True)]
    data = volume.data[tuple(slice(begin, None) for begin in start[::-1])]
    return LabelVolume(np.ascontiguousarray(data), volume.grid.cropped(start, size))


def _dice(method, moving, fixed, extra, peers):
    """Return the smaller Dice of the two labels, or the words for how the run ended."""
    with tempfile.TemporaryDirectory(prefix="bench-failures-") as place:
        folder = Path(place)
        files = [
            write_labels(volume, folder / f"{name}.nii.gz")
            for name, volume in (("moving", moving), ("fixed", fixed))
        ]
        if method in OURS:
            command = [
                *(SHAPEREG, "register", *files, "-o", folder / "out", "--preset", method),
                *("--quiet", "--no-report", *extra),
            ]
        else:
            command = [peers, HERE / "one_peer.py", method, *files, folder]
        try:
            done = subprocess.run(
                [str(part) for part in command], check=False, capture_output=True, timeout=LIMIT_S
            )
        except subprocess.TimeoutExpired:
            return f"no end in {LIMIT_S} s"
        if done.returncode:
            return f"ended with {done.returncode}"
        transform = _transform(method, folder)
        # As the files hold them: NIfTI keeps geometry in float32.
        ours, theirs = (read_labels(file) for file in files[::-1])
        agreement = label_agreement(ours, resample_labels(theirs, ours.grid, transform), ours.labels)
        return min(row.dice for row in agreement.values())


def _transform(method, folder):
    if method in OURS:
        return read_transform(folder / "out" / "fixed_to_moving.h5")
    return chain(*map(read_transform, json.loads((folder / "files.json").read_text())))


def _cell(result):
    return result if isinstance(result, str) else f"{result:.2f}"


if __name__ == "__main__":
    main()
