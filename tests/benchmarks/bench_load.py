"""Register two volumes of 512 x 512 x 512 voxels with 50 labels, and print the time and the peak memory.

`python tests/benchmarks/bench_load.py [--side 512] [--preset fast]`; the bound is 8 GB. Not in `make bench`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_shapereg.registration import RegistrationSettings, register
from napari_shapereg.volumes import ImageGrid, LabelVolume

BOUND = 8e9
EXTENT = 200.0
"""Of the volumes along each axis, mm."""


def many_labels(side: int, shift: float) -> LabelVolume:
    """Return 5 x 5 x 2 ellipsoids, each a label, of radii that differ; `shift` bends and moves them, mm."""
    length = EXTENT / side
    grid = ImageGrid((side, side, side), (length, length, length))
    data = np.zeros(grid.shape, np.uint8)
    label = 0
    for z in (0.3, 0.7):
        for y in (0.14, 0.32, 0.5, 0.68, 0.86):
            for x in (0.14, 0.32, 0.5, 0.68, 0.86):
                label += 1
                bend = shift * np.array([np.sin(5 * z + y), np.cos(4 * x), np.sin(6 * y - x)])
                radii = np.array([12.0, 9.0, 20.0]) + 0.12 * (label % 7) * np.array([1, -1, 2]) + shift / 3
                paint(data, length, EXTENT * np.array([x, y, z]) + bend + shift, radii, label)
    return LabelVolume(data, grid)


def paint(data: np.ndarray, length: float, centre: np.ndarray, radii: np.ndarray, label: int) -> None:
    """Paint one ellipsoid within its own box."""
    first = np.floor((centre - radii) / length).astype(int)
    last = np.ceil((centre + radii) / length).astype(int) + 1
    x, y, z = (
        (np.arange(a, b) * length - middle) / radius
        for a, b, middle, radius in zip(first, last, centre, radii, strict=True)
    )
    inside = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < 1
    data[first[2] : last[2], first[1] : last[1], first[0] : last[0]][inside] = label


def peak() -> float:
    """Return the most memory that this process has had, bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    """Register, save with report, print; exit with 1 above the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--preset", default="fast")
    words = parser.parse_args()
    moving, fixed = many_labels(words.side, 0.0), many_labels(words.side, 2.0)
    print(f"{words.side}³ voxels, {len(fixed.labels)} labels; both made: {peak() / 1e9:.2f} GB", flush=True)
    start = time.perf_counter()
    result = register(moving, fixed, settings=RegistrationSettings.preset(words.preset))
    print(f"registered: {time.perf_counter() - start:.0f} s, peak {peak() / 1e9:.2f} GB", flush=True)
    _ = result.metrics
    print(f"measured: {time.perf_counter() - start:.0f} s, peak {peak() / 1e9:.2f} GB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        result.save(Path(folder) / "out")
    print(f"saved with report: {time.perf_counter() - start:.0f} s, peak {peak() / 1e9:.2f} GB", flush=True)
    scores = [after.dice for after in result.measured.after.values()]
    print(f"Dice: lowest {min(scores):.3f}, mean {np.mean(scores):.3f}")
    sys.exit(peak() > BOUND)


if __name__ == "__main__":
    main()
