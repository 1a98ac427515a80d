from __future__ import annotations

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from napari_shapereg.reductions.kernels import EnergyKernel, GaussianKernel, SumKernel
from napari_shapereg.reductions.torch_engine import TorchEngine


def everything(engine, x, y, b, w):
    kernel = SumKernel([GaussianKernel(0.8), EnergyKernel()])
    yield engine.kernel_sum(kernel, x, y, b)
    yield from engine.kernel_sum_and_gradient(kernel, x, y, b)
    for p in (1, 2):
        yield engine.softmin(0.5, p, x, y, b)
        yield from engine.softmin_and_gradient(0.5, p, x, y, b)
        yield from engine.plan_sum_and_gradient(0.5, p, x, y, w, b, w)
    yield from engine.nearest(x, y)


def clouds(rows, columns):
    generator = torch.Generator().manual_seed(0)
    shapes = [(rows, 3), (columns, 3), (columns,), (rows,)]
    return [torch.randn(*shape, dtype=torch.float64, generator=generator) for shape in shapes]


@pytest.mark.parametrize("block_bytes", [1, 6 * 8 * 301 * 7])
def test_results_do_not_depend_on_the_blocks(block_bytes):
    arguments = clouds(203, 301)
    blocked, dense = TorchEngine(block_bytes), TorchEngine(2**30)
    for one, other in zip(everything(blocked, *arguments), everything(dense, *arguments), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


class LiveMemory(TorchDispatchMode):
    """Counts operations, and the bytes of the matrices that they have allocated and that still live."""

    def __init__(self, smallest):
        super().__init__()
        self.smallest, self.operations, self.peak, self._live = smallest, 0, 0, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.operations += 1
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().nbytes() >= self.smallest:
                storage = tensor.untyped_storage()
                self._live[storage.data_ptr()] = (
                    StorageWeakRef(storage),
                    storage.nbytes(),
                )
        self._live = {key: (ref, size) for key, (ref, size) in self._live.items() if not ref.expired()}
        self.peak = max(self.peak, sum(size for _, size in self._live.values()))
        return result


def test_memory_is_bounded_and_rows_are_not_looped_over():
    # A matrix of 600 x 500 pairs takes 2.4 MB in float64; the blocks may take half a MiB.
    rows, columns, block_bytes = 600, 500, 2**19
    arguments = clouds(rows, columns)
    engine = TorchEngine(block_bytes)
    blocks = rows * columns * 8 * 6 / block_bytes
    calls = 11
    with LiveMemory(smallest=2**15) as memory:
        for _ in everything(engine, *arguments):
            pass
    # Copies of the arguments and the results, (N, 3) numbers each, come on top.
    assert memory.peak <= block_bytes + 4 * rows * 3 * 8
    assert memory.operations < 50 * blocks * calls
