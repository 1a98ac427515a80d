"""The engines of the pairwise sums on the OAI pair: speed, the machine's own limit, compilation, memory.

    python tests/benchmarks/bench_engines.py [--output FOLDER] [--rounds N] [--oai FOLDER]

prints the tables and writes `engines.json` into FOLDER. Engines take turns, in rounds, so that whatever else
the machine does falls on all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from arithmetic import BYTES, FLOPS, measure_rates
from workloads import KERNELS, SIGMA, oai_points, value_and_gradient

from napari_shapereg.reductions.kernels import EnergyKernel, GaussianKernel, LaplacianKernel
from napari_shapereg.reductions.numba_engine import NumbaEngine

HERE = Path(__file__).resolve().parent
# A fast engine is called so often in a round that a median means something; a slow one takes its time.
CALLS_IN_A_ROUND = {"numba": 7, "tree": 7}


def main():
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    points = oai_points(options.oai)
    engines = ["numba", "tree", "torch"]
    if find_spec("pykeops"):
        engines += ["keops", *(["geomloss"] if find_spec("geomloss") else [])]
    record = {
        "machine": machine(),
        "points": [len(points["x"]), len(points["y"])],
        "sigma": SIGMA,
        "engines": {kernel: _compare(kernel, engines, points, options.rounds) for kernel in KERNELS},
        "limit": _limits(points),
        "processes": _processes(engines, points),
    }
    (options.output / "engines.json").write_text(json.dumps(record, indent=2) + "\n")
    _show(record)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("bench_output"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--oai", type=Path, default=HERE.parents[2] / "shared" / "data" / "oai")
    return parser.parse_args()


def machine():
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = models[0].split(":")[1].strip() if models else model
    packages = ("napari-shapereg", "torch", "numba", "pykeops", "geomloss")
    return {
        "processor": model,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages if find_spec(name.replace("-", "_"))},
    }


# --------------------------------------------------------------------------------- engines against each other


def _compare(kernel, engines, points, rounds):
    """Return, for each engine, its times for value and gradient and how far it is from the numba engine."""
    times, results = {engine: [] for engine in engines}, {}
    for engine in engines:
        # Compiles; the tree engine is the exact one for few points.
        few = None if engine in CALLS_IN_A_ROUND else 1000
        value_and_gradient(engine, kernel, {name: tensor[:few].clone() for name, tensor in points.items()})
    for _ in range(rounds):
        for engine in engines:
            for _ in range(CALLS_IN_A_ROUND.get(engine, 1)):
                start = time.perf_counter()
                results[engine] = value_and_gradient(engine, kernel, points)
                times[engine].append(time.perf_counter() - start)
    value, gradient = results["numba"]
    return {
        engine: {
            "seconds": times[engine],
            "median": statistics.median(times[engine]),
            "ratio": statistics.median(times[engine]) / statistics.median(times["numba"]),
            "value_difference": float(abs(results[engine][0] / value - 1)),
            "gradient_difference": float((results[engine][1] - gradient).norm() / gradient.norm()),
        }
        for engine in engines
    }


# ----------------------------------------------------------------------------- the engine against the machine


def _limits(points):
    """Return the numba engine's rates on the cross term beside those of the arithmetic alone."""
    x, y, b = points["x"], points["y"], points["b"]
    engine, pairs = NumbaEngine(), len(x) * len(y)
    kernels = {
        "distance": EnergyKernel(),
        "gaussian": GaussianKernel(SIGMA),
        "laplacian": LaplacianKernel(SIGMA),
    }
    h = b.log()

    def call(name, with_slopes):
        if name in kernels:
            method = engine.kernel_sum_and_gradient if with_slopes else engine.kernel_sum
            return lambda: method(kernels[name], x, y, b)
        method = engine.softmin_and_gradient if with_slopes else engine.softmin
        # So warm that no tile can be left out.
        p = int(name[-1])
        return lambda: method(100.0**p, p, x, y, h)

    calls = {key: call(*key) for key in FLOPS}
    shortest = dict.fromkeys(calls, float("inf"))
    for function in calls.values():
        function()
    for _ in range(7):
        for key, function in calls.items():
            start = time.perf_counter()
            function()
            shortest[key] = min(shortest[key], time.perf_counter() - start)
    rates, peak = measure_rates(engine.threads)
    return {
        "multiply_adds_gflops": peak / 1e9,
        "formulas": {
            f"{name}, {'value and gradient' if with_slopes else 'value'}": {
                "flops": FLOPS[name, with_slopes],
                "bytes": BYTES,
                "seconds": seconds,
                "gpairs": pairs / seconds / 1e9,
                "limit_gpairs": rates[name, with_slopes].pairs / 1e9,
                "times_the_limit": rates[name, with_slopes].pairs * seconds / pairs,
                "gflops": FLOPS[name, with_slopes] * pairs / seconds / 1e9,
            }
            for (name, with_slopes), seconds in shortest.items()
        },
    }


# ------------------------------------------------------------------------------------- compilation and memory


def _processes(engines, points):
    """Return, for each engine, what a process of its own needs: with nothing compiled, then with all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.pt"
        torch.save(points, path)
        caches = {"NUMBA_CACHE_DIR": f"{folder}/numba", "KEOPS_CACHE_FOLDER": f"{folder}/keops"}
        return {
            engine: {state: _process(path, engine, {**os.environ, **caches}) for state in ("cold", "warm")}
            for engine in engines
        }


def _process(path, engine, environment):
    command = [sys.executable, str(HERE / "one_engine.py"), str(path), engine, "energy"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


# ------------------------------------------------------------------------------------------------- the tables


def _show(record):
    machine, (source, target) = record["machine"], record["points"]
    print(f"\n{machine['processor']}, {machine['threads']} threads, load {machine['load']:.1f}")
    print(f"OAI pair, {source:,} and {target:,} points, kernel norm with its gradient in the source\n")
    print(f"{'':10}{'engine':10}{'median s':>10}{'least s':>10}{'/ numba':>9}{'value':>10}{'gradient':>10}")
    for kernel, rows in record["engines"].items():
        name = "energy" if kernel == "energy" else f"σ = {record['sigma']:g} mm"
        for engine, row in rows.items():
            print(
                f"{name:10}{engine:10}{row['median']:10.3f}{min(row['seconds']):10.3f}{row['ratio']:9.1f}"
                f"{row['value_difference']:10.0e}{row['gradient_difference']:10.0e}"
            )
    print("\nThe numba engine on the cross term beside the arithmetic alone, 10^9 pairs a second\n")
    print(f"{'':32}{'flops':>6}{'engine':>9}{'limit':>9}{'x limit':>9}{'Gflop/s':>9}")
    for name, row in record["limit"]["formulas"].items():
        print(
            f"{name:32}{row['flops']:6}{row['gpairs']:9.2f}{row['limit_gpairs']:9.2f}"
            f"{row['times_the_limit']:9.2f}{row['gflops']:9.0f}"
        )
    print(
        f"multiply-adds in registers: {record['limit']['multiply_adds_gflops']:.0f} Gflop/s; 16 bytes a pair"
    )
    print("\nA process of its own: energy distance; with empty caches, then with full ones\n")
    print(f"{'engine':10}{'import s':>14}{'first call s':>16}{'peak MB':>10}{'of which engine':>17}")
    for engine, states in record["processes"].items():
        cold, warm = states["cold"], states["warm"]
        added = warm["memory_peak"] - warm["memory_before"]
        print(
            f"{engine:10}{cold['import_seconds']:7.2f}{warm['import_seconds']:7.2f}"
            f"{cold['first_call_seconds']:9.2f}{warm['first_call_seconds']:7.2f}"
            f"{warm['memory_peak'] / 1e6:10.0f}{added / 1e6:17.0f}"
        )


if __name__ == "__main__":
    main()
