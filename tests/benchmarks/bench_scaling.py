"""Cost curves: value and gradient of each fidelity from 1e3 to 1e6 points, engine by engine, peer by peer.

    python tests/benchmarks/bench_scaling.py [--output FOLDER] [--largest N] [--limit SECONDS] [--only ...]

prints a table with the slope of each curve, and writes `scaling.json` and `scaling.png` into FOLDER. A curve
ends before the size at which its slope foretells more than the limit. Source and target are shells, as
cartilage is: N points each, and weights that sum to 1.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from bench_engines import machine
from matplotlib.figure import Figure

from napari_shapereg.fidelities import EnergyDistance, KernelNorm, SinkhornDivergence, SoftMin
from napari_shapereg.measures import Measure
from napari_shapereg.reductions.kernels import GaussianKernel, LaplacianKernel

# mm; shells of radius 30 mm, 4 mm thick.
SIGMA, BLUR = 5.0, 2.0
SIZES = [round(10 ** (k / 2)) for k in range(6, 13)]
RUNS = 3
# Points from which on all loops of an engine are used: what compiles is compiled there.
WARM = 20_000


def main():
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    curves = {}
    for name, call in _curves().items():
        if any(part in name for part in options.only):
            _time(call, WARM if name.endswith(("numba", "tree")) else SIZES[0], 1)  # compiles
            curves[name] = _curve(call, options)
            print(_row(name, curves[name]), flush=True)
    record = {"machine": machine(), "sigma": SIGMA, "blur": BLUR, "curves": curves}
    (options.output / "scaling.json").write_text(json.dumps(record, indent=2) + "\n")
    _plot(curves, options.output / "scaling.png")


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("bench_output"))
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="points of each measure, at most")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds of a single call, at most")
    parser.add_argument("--only", nargs="*", default=[""], help="curves whose names contain one of these")
    return parser.parse_args()


# ------------------------------------------------------------------------------------------- what is measured


def shell(count, seed, shift=0.0):
    """Points of a shell, float32, and equal weights that sum to 1."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(count, 3, generator=generator)
    radii = 28 + 4 * torch.rand(count, 1, generator=generator)
    return shift + radii * steps / steps.norm(dim=1, keepdim=True), torch.full((count,), 1 / count)


def _curves():
    """Return what is timed, a function of source points, weights, target points, weights, by its name."""
    curves = {}
    for engine in ("numba", "tree", *(["keops"] if find_spec("pykeops") else [])):
        curves |= {
            f"energy, {engine}": _ours(EnergyDistance(engine=engine)),
            f"Gaussian, {engine}": _ours(KernelNorm(GaussianKernel(SIGMA), engine=engine)),
            f"Laplacian, {engine}": _ours(KernelNorm(LaplacianKernel(SIGMA), engine=engine)),
        }
        if engine != "tree":
            curves[f"SoftMin, {engine}"] = _ours(SoftMin(BLUR, 2, engine=engine))
    curves["Sinkhorn, numba"] = _ours(SinkhornDivergence(BLUR, 2, engine="numba"))
    if find_spec("geomloss"):
        curves |= {
            "energy, GeomLoss online": _geomloss("energy", SIGMA, "online"),
            "Gaussian, GeomLoss online": _geomloss("gaussian", SIGMA, "online"),
            "Laplacian, GeomLoss online": _geomloss("laplacian", SIGMA, "online"),
            "Sinkhorn, GeomLoss multiscale": _geomloss("sinkhorn", BLUR, "multiscale"),
        }
    if find_spec("ferreus_bbfmm"):
        curves["energy, ferreus-bbfmm"] = _black_box
    return curves


def _ours(fidelity):
    def call(x, a, y, b):
        points = x.clone().requires_grad_()
        value = fidelity(Measure(points, a), Measure(y, b))
        return value.detach(), torch.autograd.grad(value, points)[0]

    return call


def _geomloss(name, blur, backend):
    from geomloss import SamplesLoss

    loss = SamplesLoss(name, p=2, blur=blur, backend=backend)

    def call(x, a, y, b):
        points = x.clone().requires_grad_()
        value = loss(a, points, b, y)
        return value.detach(), torch.autograd.grad(value, points)[0]

    return call


def _black_box(x, a, y, b):
    """One sum of the signed measure over both sets, and its gradient: a fast multipole method of order 5."""
    from ferreus_bbfmm import FmmKernelType, FmmTree, KernelParams

    points = torch.cat((x, y)).double().numpy()
    weights = torch.cat((a, -b)).double().numpy()[:, None]
    tree = FmmTree(points, 5, KernelParams(FmmKernelType.LinearRbf), sparse=True)
    tree.set_weights(weights)
    values, gradient = tree.evaluate_with_gradients(weights, points)
    return torch.from_numpy(weights * values).sum() / 2, torch.from_numpy(gradient)[: len(x)]


def _curve(call, options):
    """Return sizes, median seconds, and the slope of the last decade."""
    sizes, seconds = [], []
    for count in SIZES:
        if count > options.largest or _foreseen(sizes, seconds, count) > options.limit:
            break
        once = _time(call, count, 1)
        runs = RUNS if once[0] < options.limit / 2 / RUNS else 0
        sizes.append(count)
        seconds.append(statistics.median([*_time(call, count, runs), *([] if runs else once)]))
    return {"points": sizes, "seconds": seconds, "slope": _slope(sizes, seconds)}


def _time(call, count, runs):
    (x, a), (y, b) = shell(count, 0), shell(count, 1, shift=4.0)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call(x, a, y, b)
        times.append(time.perf_counter() - start)
    return times


def _foreseen(sizes, seconds, count):
    if len(sizes) < 2:
        return 0.0
    return seconds[-1] * (count / sizes[-1]) ** max(_slope(sizes, seconds), 1.0)


def _slope(sizes, seconds):
    """Return the exponent of the cost over the last decade."""
    if len(sizes) < 2:
        return math.nan
    first = max(len(sizes) - 3, 0)
    return math.log(seconds[-1] / seconds[first]) / math.log(sizes[-1] / sizes[first])


# ------------------------------------------------------------------------------------------ table and picture


def _row(name, curve):
    cells = "".join(f"{seconds:9.3f}" for seconds in curve["seconds"])
    return f"{name:32}{cells:{9 * len(SIZES)}}  slope {curve['slope']:.2f}"


def _plot(curves, path):
    groups = list(dict.fromkeys(name.split(",")[0] for name in curves))
    figure = Figure(figsize=(4 * len(groups), 4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(groups), sharey=True))
    for axis, group in zip(axes, groups, strict=True):
        for name, curve in curves.items():
            title, _, label = name.partition(", ")
            if title == group:
                label = f"{label}, slope {curve['slope']:.1f}"
                axis.loglog(curve["points"], curve["seconds"], "o-", label=label)
        axis.set(title=group, xlabel="points of each measure")
        axis.grid(visible=True, alpha=0.3)
        axis.legend(fontsize="small")
    axes[0].set_ylabel("seconds, value and gradient")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
