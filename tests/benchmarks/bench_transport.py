"""Transport between the OAI measures: value and gradient, balanced and not, beside GeomLoss's multiscale.

    python tests/benchmarks/bench_transport.py [--output FOLDER] [--rounds N] [--oai FOLDER]

prints a table and writes `transport.json` into FOLDER. Blurs are in mm; the gradient's error is relative, in
L2, to the annealed solution in float64 that misplaces 1e-5 of the mass. GeomLoss's unbalanced gradient is
not that of its value, so that the two can only be compared without a reach.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from importlib.util import find_spec
from pathlib import Path

import torch
from bench_engines import HERE, machine
from workloads import oai_points

from napari_shapereg.fidelities import HausdorffDivergence, SinkhornDivergence
from napari_shapereg.measures import Measure, measure_from_labels
from napari_shapereg.volumes.readers import read_labels

FIDELITIES = {
    "Sinkhorn, p = 2, blur 1": SinkhornDivergence(1.0),
    "Sinkhorn, p = 2, blur 1, reach 20": SinkhornDivergence(1.0, reach=20.0),
    "Sinkhorn, p = 1, blur 1": SinkhornDivergence(1.0, 1),
    "Hausdorff, p = 2, blur 1": HausdorffDivergence(1.0),
}
EXACT = {"tolerance": 1e-5, "iterations": 300}


def main():
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    points = oai_points(options.oai)
    alpha, beta = Measure(points["x"], points["a"]), Measure(points["y"], points["b"])
    rows = {}
    for name, fidelity in FIDELITIES.items():
        rows[name] = _timed(fidelity, alpha, beta, options.rounds)
        rows[name]["error"] = _error(fidelity, alpha, beta, rows[name].pop("gradient"))
    if find_spec("geomloss"):
        theirs = _geomloss(blur=1.0)
        rows["GeomLoss multiscale, p = 2, blur 1"] = _timed(theirs, alpha, beta, 1)
        gradient = rows["GeomLoss multiscale, p = 2, blur 1"].pop("gradient")
        exact = dataclasses.replace(FIDELITIES["Sinkhorn, p = 2, blur 1"], **EXACT)
        rows["GeomLoss multiscale, p = 2, blur 1"]["error"] = _difference(
            gradient, _gradient(exact, alpha.normalized(), beta.normalized())
        )
    whole = [_whole(options.oai, name) for name in "ab"]
    rows[f"Sinkhorn, p = 2, blur 0.5, {len(whole[0]):,} and {len(whole[1]):,} points"] = _timed(
        SinkhornDivergence(0.5), *whole, 1
    )
    million = [_jittered(measure, 1_000_000) for measure in whole]
    rows["Sinkhorn, p = 2, blur 1, 1,000,000 points against as many"] = _timed(
        SinkhornDivergence(1.0), *million, 0
    )
    for row in rows.values():
        row.pop("gradient", None)
    record = {"machine": machine(), "points": [len(alpha), len(beta)], "rows": rows}
    (options.output / "transport.json").write_text(json.dumps(record, indent=2) + "\n")
    _show(record)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("bench_output"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--oai", type=Path, default=HERE.parents[2] / "shared" / "data" / "oai")
    return parser.parse_args()


def _whole(folder, name):
    return measure_from_labels(read_labels(folder / f"OAI_{name}.nii.gz"), 1)


def _jittered(measure, count):
    """Points spread evenly in the voxels of a measure."""
    rng = torch.Generator().manual_seed(0)
    chosen = measure.points[torch.randint(len(measure), (count,), generator=rng)]
    voxel = torch.tensor([0.36, 0.36, 0.7])
    points = chosen + (torch.rand(count, 3, generator=rng) - 0.5) * voxel
    return Measure(points.float(), torch.full((count,), float(measure.mass) / count))


def _geomloss(blur):
    from geomloss import SamplesLoss

    loss = SamplesLoss("sinkhorn", p=2, blur=blur, backend="multiscale")

    def call(source, target):
        # It compares measures of mass 1.
        return loss(source.weights / source.mass, source.points, target.weights / target.mass, target.points)

    return call


def _timed(fidelity, alpha, beta, rounds):
    """Return seconds, those of the first call apart, and the gradient."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        gradient = _gradient(fidelity, alpha, beta)
        times.append(time.perf_counter() - start)
    return {"first": times[0], "median": statistics.median(times[1:] or times), "gradient": gradient}


def _gradient(fidelity, alpha, beta):
    points = alpha.points.clone().requires_grad_()
    value = fidelity(Measure(points, alpha.weights), beta)
    return torch.autograd.grad(value, points)[0]


def _error(fidelity, alpha, beta, gradient):
    precise = dataclasses.replace(fidelity, **EXACT) if isinstance(fidelity, SinkhornDivergence) else fidelity
    alpha, beta = (measure.to(dtype=torch.float64) for measure in (alpha, beta))
    return _difference(gradient, _gradient(precise, alpha, beta))


def _difference(gradient, truth):
    return float((gradient - truth).norm() / truth.norm())


def _show(record):
    machine, (source, target) = record["machine"], record["points"]
    print(f"\n{machine['processor']}, {machine['threads']} threads, load {machine['load']:.1f}")
    print(f"OAI pair, {source:,} and {target:,} points unless said, value and gradient in the source\n")
    print(f"{'':60}{'first s':>9}{'median s':>10}{'gradient':>10}")
    for name, row in record["rows"].items():
        error = f"{row['error']:10.0e}" if "error" in row else ""
        print(f"{name:60}{row['first']:9.2f}{row['median']:10.2f}{error}")


if __name__ == "__main__":
    main()
