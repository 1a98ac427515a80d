"""The main job on real knees: from the command line to the independent judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

MEMORY_OF_CHILD = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print("peak kB", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moving", "fixed", "preset", "dice", "there_and_back"),
    [("a", "b", "balanced", 0.915, 0.05), ("b", "a", "fast", 0.87, 0.06)],
)
def test_two_real_knees(
    moving: str,
    fixed: str,
    preset: str,
    dice: float,
    there_and_back: float,
    oai_folder: Path,
    judge: Path,
    tmp_path: Path,
) -> None:
    """Without momentum `balanced` has Dice 0.91 and 0.90; the first release had to reach 0.80 and 2 mm."""
    files = {name: oai_folder / f"OAI_{name}.nii.gz" for name in (moving, fixed)}
    out = tmp_path / "out"
    command = [
        *(sys.executable, "-c", MEMORY_OF_CHILD, str(Path(sys.executable).parent / "shapereg")),
        *("register", str(files[moving]), str(files[fixed]), "-o", str(out), "--preset", preset, "--quiet"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    assert int(run.stderr.split("peak kB")[1]) < 2_000_000

    judged = [sys.executable, str(judge), "--fixed", str(files[fixed]), "--moving", str(files[moving])]
    judged += ["--transform", str(out / "fixed_to_moving.h5")]
    verdict = json.loads(subprocess.check_output(judged, text=True))
    for label in ("1", "2"):
        assert verdict["labels"][label]["dice"] > dice
        assert verdict["labels"][label]["hd95"] < 0.75
    assert verdict["jacobian"]["fraction_folded"] == 0
    assert verdict["jacobian"]["min"] > 0.05

    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["inverse_consistency"]["mean"] < there_and_back
    for label in ("1", "2"):
        ours, theirs = metrics["labels"][label]["after"], verdict["labels"][label]
        assert [ours[name] for name in theirs] == pytest.approx(list(theirs.values()), abs=1e-3)

    transform = sitk.ReadTransform(str(out / "fixed_to_moving.h5"))
    images = [sitk.ReadImage(str(files[name])) for name in (moving, fixed)]
    warped = sitk.Resample(images[0], images[1], transform, sitk.sitkNearestNeighbor)
    written = sitk.ReadImage(str(out / "warped_labels.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(warped), sitk.GetArrayFromImage(written))
