"""One engine in a process of its own: what its first calls take, and how much memory it needs.

    python one_engine.py POINTS.pt ENGINE KERNEL      prints one line of JSON

POINTS.pt holds x, a, y, b (see `workloads`).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path

import torch
from workloads import value_and_gradient

from napari_shapereg.reductions.selection import get_engine


def peak_memory():
    """Peak of the memory of this process, in bytes; `ru_maxrss` may include that of its parent."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main():
    path, engine, kernel = sys.argv[1:]
    points = torch.load(path)
    start = time.perf_counter()
    if engine == "geomloss":
        import_module("geomloss")
    else:
        get_engine(engine, "cpu")
    loaded = time.perf_counter()
    before = peak_memory()
    small = {name: tensor[:1000].clone() for name, tensor in points.items()}
    value_and_gradient(engine, kernel, small)
    called = time.perf_counter()
    value_and_gradient(engine, kernel, points)
    print(
        json.dumps(
            {
                "import_seconds": loaded - start,
                "first_call_seconds": called - loaded,
                "memory_before": before,
                "memory_peak": peak_memory(),
            }
        )
    )


if __name__ == "__main__":
    main()
