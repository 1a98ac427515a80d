from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import napari_shapereg.volumes
heavy = {"torch", "napari", "qtpy", "numba", "scipy", "skimage", "pooch", "requests", "nibabel", "matplotlib"}
print(sorted(heavy & sys.modules.keys()))
"""


def test_volumes_load_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
