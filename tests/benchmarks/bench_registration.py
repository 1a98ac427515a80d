"""Whole registrations of the OAI pair, as a user starts them: time, memory, and the verdict of the judge.

    python tests/benchmarks/bench_registration.py [--output FOLDER] [--presets fast,accurate] [--shared DIR]

runs `shapereg register` in a process of its own for each preset and direction, measures it from the start of
the process until its files are written, and judges the transform by evaluate_registration.py, which knows
nothing of this package. Prints a table and writes `registration.json` into FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = (
    "preset",
    "pair",
    "Dice",
    "ASSD mm",
    "HD95 mm",
    "HD mm",
    "det J",
    "log det J, s.d.",
    "folded",
    "inverse mm",
    "s",
    "MB",
)


def main():
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    rows = [
        _measure(preset, moving, fixed, options.shared)
        for preset in options.presets.split(",")
        for moving, fixed in (("a", "b"), ("b", "a"))
    ]
    record = {"machine": {"processor": platform.processor(), "cores": os.cpu_count()}, "rows": rows}
    (options.output / "registration.json").write_text(json.dumps(record, indent=2) + "\n")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for row in rows:
        print("| " + " | ".join(_cells(row)) + " |")


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("bench_output"))
    parser.add_argument("--presets", default="fast,balanced,accurate")
    parser.add_argument("--shared", type=Path, default=HERE.parents[2] / "shared")
    return parser.parse_args()


def _measure(preset, moving, fixed, shared):
    volumes = {name: shared / "data" / "oai" / f"OAI_{name}.nii.gz" for name in (moving, fixed)}
    place = Path(tempfile.mkdtemp(prefix="bench-registration-"))
    command = [
        *(Path(sys.executable).parent / "shapereg", "register", volumes[moving], volumes[fixed]),
        *("-o", place / "out", "--preset", preset, "--quiet"),
    ]
    began = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit(f"shapereg ended with status {status}")
    judge = [
        *(sys.executable, shared / "tools" / "evaluate_registration.py", "--fixed", volumes[fixed]),
        *("--moving", volumes[moving], "--transform", place / "out" / "fixed_to_moving.h5"),
    ]
    verdict = json.loads(subprocess.check_output([str(part) for part in judge]))
    metrics = json.loads((place / "out" / "metrics.json").read_text())
    shutil.rmtree(place)
    return {
        "preset": preset,
        "pair": f"{moving} onto {fixed}",
        "seconds": seconds,
        "megabytes": usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        "verdict": verdict,
        "inverse_consistency": metrics["inverse_consistency"],
        "largest_jacobian": metrics["jacobian"]["maximum"],
        "log_jacobian_deviation": metrics["jacobian"]["log_deviation"],
        "steps": metrics["steps"],
    }


def _cells(row):
    labels = row["verdict"]["labels"].values()
    both = {
        name: " / ".join(f"{label[name]:.3g}" for label in labels) for name in ("dice", "assd", "hd95", "hd")
    }
    inverse = row["inverse_consistency"]
    return [
        *(row["preset"], row["pair"], both["dice"], both["assd"], both["hd95"], both["hd"]),
        f"{row['verdict']['jacobian']['min']:.3f} to {row['largest_jacobian']:.0f}",
        f"{row['log_jacobian_deviation']:.2f}",
        f"{row['verdict']['jacobian']['fraction_folded']:.2g}",
        f"{inverse['mean']:.3f} (max {inverse['maximum']:.2f})",
        f"{row['seconds']:.1f}",
        f"{row['megabytes']:.0f}",
    ]


if __name__ == "__main__":
    main()
