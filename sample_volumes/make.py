"""Make the sample volumes anew, from formulas: the same voxels each time.

    python sample_volumes/make.py [FOLDER]

Two knee-like subjects (``knee_a.nii.gz``, ``knee_b.nii.gz``) and a pair whose true deformation is known
(``known_moving.nii.gz``, ``known_fixed.nii.gz``); see ``napari_shapereg.volumes.phantoms``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from napari_shapereg.volumes import write_labels
from napari_shapereg.volumes.phantoms import knee_pair, known_pair
from napari_shapereg.volumes.samples import BUNDLED_PAIRS


def main() -> None:
    """Write the four volumes into the folder given, or beside this script."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    if folder.is_file():
        folder = folder.parent
    for name, make in (("knees", knee_pair), ("known", known_pair)):
        for file, volume in zip(BUNDLED_PAIRS[name], make(), strict=True):
            path = write_labels(volume, folder / file)
            print(f"{path.name}: {volume.grid.size} voxels, {path.stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main()
