"""What each part of a registration is worth: the OAI pair, with one setting of `balanced` changed at a time.

    python tests/benchmarks/bench_ablations.py [--output FOLDER] [--shared DIR]

The global stage moves measures, the density action; the local one moves whole images, the indicator action.
Seconds are those of the fit, without imports and files. Prints a table and writes `ablations.json` into
FOLDER.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from napari_shapereg import read_labels, register
from napari_shapereg.registration import RegistrationSettings

HERE = Path(__file__).resolve().parent
COLUMNS = ("changed", "Dice", "ASSD mm", "HD95 mm", "HD mm", "least det J", "log det J, s.d.", "s")
FIDELITIES = ("gaussian", "laplacian", "softmin", "hausdorff", "sinkhorn")


def main():
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    volumes = [read_labels(options.shared / "data" / "oai" / f"OAI_{name}.nii.gz") for name in "ab"]
    register(*volumes, "fast")  # Compiles.
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    rows = {}
    for name, changes in _changes().items():
        rows[name] = _measure(*volumes, RegistrationSettings().changed(**changes))
        print(f"| {name} | " + " | ".join(_cells(rows[name])) + " |", flush=True)
    (options.output / "ablations.json").write_text(json.dumps(rows, indent=2) + "\n")


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("bench_output"))
    parser.add_argument("--shared", type=Path, default=HERE.parents[2] / "shared")
    return parser.parse_args()


def _changes():
    """Return what differs from the settings of `balanced`, by the name of the row."""
    return {
        "nothing": {},
        "affine map alone": {"model": "affine"},
        "global stage alone (density)": {"voxels": None},
        "local stage alone (indicator)": {"measures": None},
        "voxels instead of surfaces": {"measures": {"kind": "voxel"}},
        **{f"global stage: {name}": {"measures": {"fidelity": {"name": name}}} for name in FIDELITIES},
        "no pull from afar": {"voxels": {"far_slope": 0.0}},
        "no regularity": {"regularity": 0.0},
        "three times the regularity": {"regularity": 4.5e-4},
        "ten times the regularity": {"regularity": 1.5e-3},
        "model svf": {"model": "svf"},
        "model lddmm": {"model": "lddmm"},
    }


def _measure(moving, fixed, settings):
    result = register(moving, fixed, settings=settings)
    after = [row["after"] for row in result.metrics["labels"].values()]
    return {
        "seconds": result.seconds,
        "status": result.status.name,
        **{name: [row[name] for row in after] for name in ("dice", "assd", "hd95", "hd")},
        "jacobian": result.metrics["jacobian"]["minimum"],
        "log_jacobian_deviation": result.metrics["jacobian"]["log_deviation"],
    }


def _cells(row):
    return [
        *(" / ".join(f"{value:.3g}" for value in row[name]) for name in ("dice", "assd", "hd95", "hd")),
        f"{row['jacobian']:.3f}",
        f"{row['log_jacobian_deviation']:.2f}",
        f"{row['seconds']:.1f}",
    ]


if __name__ == "__main__":
    main()
