"""Everything that runs on a GPU, measured in one command of a few minutes.

    python tests/benchmarks/gpu.py [--output FOLDER] [--shared FOLDER]

needs torch with CUDA (and pykeops for its rows). Prints tables that name the device and writes `gpu.json`.
First calls, which compile, are timed apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import torch

import napari_shapereg as sr
from napari_shapereg.reductions.kernels import EnergyKernel, GaussianKernel
from napari_shapereg.registration import RegistrationSettings

HERE = Path(__file__).resolve().parent
ROUNDS = 5
MILLION = 1_000_000


def main():
    options = _options()
    if not torch.cuda.is_available():
        sys.exit(
            "gpu.py: torch sees no CUDA device here; run it on a machine with an NVIDIA GPU and its driver"
        )
    options.output.mkdir(parents=True, exist_ok=True)
    volumes = [sr.read_labels(options.shared / "data" / "oai" / f"OAI_{name}.nii.gz") for name in "ab"]
    record = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "sums": _sums(volumes),
        "registrations": [
            row for preset in ("fast", "balanced", "accurate") for row in _register(volumes, preset)
        ],
    }
    (options.output / "gpu.json").write_text(json.dumps(record, indent=2) + "\n")
    _show(record)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("bench_output"))
    parser.add_argument("--shared", type=Path, default=HERE.parents[2] / "shared")
    return parser.parse_args()


def _sums(volumes):
    engines = ["torch", *(["keops"] if find_spec("pykeops") else [])]
    oai = [
        sr.measure_from_labels(volume, 1, binning=(2, 2, 1)).to(device="cuda").normalized()
        for volume in volumes
    ]
    generator = torch.Generator().manual_seed(0)
    million = [
        sr.Measure(100 * torch.rand(MILLION, 3, generator=generator), torch.full((MILLION,), 1 / MILLION)).to(
            device="cuda"
        )
        for _ in range(2)
    ]
    rows = []
    for engine in engines:
        for name, kernel in (("energy", EnergyKernel()), ("Gaussian, 5 mm", GaussianKernel(5.0))):
            rows.append(_time(f"{name}, OAI", engine, kernel, oai))
    rows.append(_time("energy, 1e6 x 1e6", engines[-1], EnergyKernel(), million))
    return rows


def _time(name, engine, kernel, measures):
    loss = sr.KernelNorm(kernel, engine=engine)
    source, target = measures
    points = source.points.clone().requires_grad_()

    def value_and_gradient():
        value = loss(sr.Measure(points, source.weights), target)
        torch.autograd.grad(value, points)
        torch.cuda.synchronize()

    seconds = [_seconds(value_and_gradient) for _ in range(ROUNDS + 1)]
    return {
        "what": name,
        "engine": engine,
        "points": [len(source), len(target)],
        "first": seconds[0],
        "median": statistics.median(seconds[1:]),
        "best": min(seconds[1:]),
    }


def _register(volumes, preset):
    settings = RegistrationSettings.preset(preset).changed(device="cuda")
    rows = []
    for attempt in ("first", "second"):
        began = time.perf_counter()
        result = sr.register(*volumes, settings=settings)
        torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        rows.append(
            {
                "preset": preset,
                "attempt": attempt,
                "seconds": seconds,
                "status": result.status.name,
                "steps": len(result.history),
                "engine": result.engine,
                "dice": [label["after"]["dice"] for label in result.metrics["labels"].values()],
                "least_jacobian": result.metrics["jacobian"]["minimum"],
                "gigabytes": torch.cuda.max_memory_allocated() / 1e9,
            }
        )
    return rows


def _seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _show(record):
    print(f"{record['device']}, torch {record['torch']}\n")
    print("| value and gradient | engine | first, s | median, ms | best, ms |\n|---|---|---|---|---|")
    for row in record["sums"]:
        print(
            f"| {row['what']} | {row['engine']} | {row['first']:.2f} | {1e3 * row['median']:.2f} "
            f"| {1e3 * row['best']:.2f} |"
        )
    print("\n| registration | run | s | steps | Dice | det J min | GB |\n|---|---|---|---|---|---|---|")
    for row in record["registrations"]:
        dice = " / ".join(f"{value:.3f}" for value in row["dice"])
        print(
            f"| {row['preset']} | {row['attempt']} | {row['seconds']:.2f} | {row['steps']} | {dice} "
            f"| {row['least_jacobian']:.3f} | {row['gigabytes']:.2f} |"
        )


if __name__ == "__main__":
    main()
