"""What is measured: kernel norms of two measures and their gradients, by our engines and by GeomLoss."""

from __future__ import annotations

import torch

from napari_shapereg.fidelities import EnergyDistance, KernelNorm
from napari_shapereg.measures import Measure, measure_from_labels
from napari_shapereg.reductions.kernels import GaussianKernel
from napari_shapereg.volumes.readers import read_labels

SIGMA = 5.0
KERNELS = ("energy", "gaussian")


def oai_points(folder, label=1):
    """The measures that the OAI pair is compared by: voxels binned 2 x 2 x 1, 52,319 and 34,966 points."""
    measures = [
        measure_from_labels(read_labels(folder / f"OAI_{name}.nii.gz"), label, binning=(2, 2, 1))
        for name in "ab"
    ]
    (x, a), (y, b) = ((measure.points, measure.weights) for measure in measures)
    return {"x": x, "a": a, "y": y, "b": b}


def value_and_gradient(engine, kernel, points):
    """The kernel norm of the difference and its gradient in the points of the source."""
    x = points["x"].clone().requires_grad_()
    if engine == "geomloss":
        loss = _geomloss(kernel)
        value = loss(points["a"], x, points["b"], points["y"])
    else:
        norm = (
            EnergyDistance(engine=engine)
            if kernel == "energy"
            else KernelNorm(GaussianKernel(SIGMA), engine=engine)
        )
        value = norm(Measure(x, points["a"]), Measure(points["y"], points["b"]))
    (gradient,) = torch.autograd.grad(value, x)
    return value.detach(), gradient


def _geomloss(kernel):
    from geomloss import SamplesLoss

    return SamplesLoss(kernel, blur=SIGMA, backend="online")
