"""Runs sqznet's executor one layer at a time, for the benchmarks of layers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks import network
from benchmarks.material import SHARED, MissingError
from benchmarks.network import Array
from sqznet import _kernels
from sqznet.diagnostics.measuring import layer_names
from sqznet.engine import cpu
from sqznet.engine.executor import Executor
from sqznet.engine.program import Workspace
from sqznet.network import variants
from sqznet.weights import Checkpoint, RawTensor, bundled, read


def checkpoint(variant: str) -> Checkpoint:
    """The weights of the comparison; raises MissingError if 1.0 is missing."""
    if variant == "1.1":
        return bundled()
    path = SHARED / "weights" / "squeezenet1_0.pth"
    if not path.is_file():
        raise MissingError(f"no weights for SqueezeNet {variant}: {path} is absent")
    return read(path)


def executor(tensors: dict[str, RawTensor], threads: int = 1) -> Executor:
    """A model of these weights for the best instruction set here."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    pool = _kernels.ThreadPool(threads)
    return Executor(variants.network_for(shapes), tensors, cpu.kernels(), pool)


def raw(value: Array) -> RawTensor:
    """An array as in a weights file."""
    data = memoryview(np.ascontiguousarray(value, np.float32).tobytes())
    return RawTensor("float32", value.shape, data)


def tensor(value: Array) -> _kernels.Tensor:
    """An array of one to four dimensions as a tensor of the kernels."""
    o, i, h, w = (*value.shape, 1, 1, 1)[:4]
    return _kernels.Tensor.from_bytes(raw(value).data, "float32", (o, i, h, w))


def multiplications(variant: str, height: int, width: int) -> dict[str, int]:
    """Multiply-adds of each layer of `names` without any saving; pools have none."""
    plan = network.layers(variant)
    sizes = network.shapes(plan, height, width)
    by_key: dict[str, int] = {}
    for layer in plan:
        if isinstance(layer, network.Conv):
            key = ".".join(layer.key.split(".")[:2])
            _, h, w = sizes[layer.name]
            macs = h * w * layer.outputs * layer.inputs * layer.kernel**2
            by_key[key] = by_key.get(key, 0) + macs
    convs = [f"fire{n}" for n in range(2, 10)]
    return dict(zip(["conv1", *convs, "conv10"], by_key.values(), strict=True))


class Steps:
    """One workspace and its input, run step by step."""

    def __init__(self, owner: Executor, fed: Array) -> None:
        n, _, height, width = fed.shape
        self.fed = fed
        self.pool = owner.pool
        self.names = layer_names(owner.network)
        self.workspace: Workspace = owner.acquire(n, height, width)
        if len(self.names) != len(self.workspace.steps):
            raise ValueError("the executor no longer runs one step a layer")

    def once(self) -> list[float]:
        """The seconds of each step. The input is filled again, since later steps overwrite it."""
        _kernels.import_nchw(self.pool, self.fed, self.workspace.input)
        now = time.perf_counter
        marks = [now()]
        for step in self.workspace.steps:
            step()
            marks.append(now())
        return [after - before for before, after in pairwise(marks)]

    def inputs(self) -> Iterator[Array]:
        """A copy of the input of each step, (N, H, W, C)."""
        _kernels.import_nchw(self.pool, self.fed, self.workspace.input)
        for step, operands in zip(self.workspace.steps, self.workspace.operands, strict=True):
            yield np.array(operands[0])
            step()

    def densities(self) -> list[float]:
        """The share of non-zeros in the input of each step."""
        return [float(np.count_nonzero(x) / x.size) for x in self.inputs()]


def seconds(function: Callable[[], object], calls: int = 1) -> float:
    """The mean seconds of a call."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def peak_macs() -> float:
    """The peak multiply-adds per second that these kernels attain on one core.

    The quickest of dense convolutions of few pixels and many input channels: every operand is in
    the first cache or streams from the second in order, the sums stay in registers, and the rest of
    the work is spread over thousands of multiplications. Best of many, to see the core undisturbed.
    """
    table, pool = _kernels.best_kernels().f32, _kernels.ThreadPool(1)
    best = 0.0
    for inputs, kernel, columns in ((1024, 1, 64), (512, 3, 64), (1024, 3, 64), (256, 3, 64)):
        outputs = table.conv_nr
        weight = tensor(np.full((outputs, inputs, kernel, kernel), 0.001, np.float32))
        conv = _kernels.Conv(table, weight, tensor(np.zeros(outputs, np.float32)))
        x = _kernels.Tensor((1, kernel, columns + kernel - 1, inputs))
        np.asarray(x)[...] = 1.0
        y = _kernels.Tensor((1, 1, columns, outputs))
        scratch = _kernels.Tensor((1, 1, 1, 1), "uint8")
        macs = columns * outputs * inputs * kernel**2
        least = min(seconds(lambda: conv(pool, x, scratch, y), 5) for _ in range(100))  # noqa: B023
        best = max(best, macs / least)
    return best


def photo_at(photo: Path, side: int) -> Array:
    """A photo squashed to side x side pixels, as (1, 3, side, side) for the bundled weights."""
    from PIL import Image

    from benchmarks.engines.base import MEAN_BGR

    with Image.open(photo) as image:
        small = image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    bgr = np.asarray(small, np.float32)[:, :, ::-1] - np.array(MEAN_BGR, np.float32)
    return np.ascontiguousarray(bgr.transpose(2, 0, 1)[None])
