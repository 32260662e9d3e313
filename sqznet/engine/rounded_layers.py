"""Layers of a network whose file rounds its activations to 8 or 16 bits.

Such a file describes integers; here, the numbers that they represent are stored as float32 and are
rounded and clipped wherever the file does so. Between two roundings, everything is computed in
float32, whose error is far below one step of 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqznet import _kernels
from sqznet.engine.float_layers import FloatMaps, Parameters
from sqznet.engine.program import Operand, Program
from sqznet.network.layers import Classifier, Conv, Fire, Layer, MaxPool, Network
from sqznet.weights.grids import DynamicQuantization, Quantization


class RoundedLayers(FloatMaps):
    """Runs one convolution at a time and rounds each result; see ``Checkpoint.activations``."""

    in_bands = False

    def __init__(
        self,
        activations: Mapping[str, tuple[Quantization | DynamicQuantization, ...]],
        network: Network,
        parameters: Parameters,
        kernels: _kernels.Kernels,
        pool: _kernels.ThreadPool,
    ) -> None:
        self._activations = activations
        self._first = network.layers[0]
        self._kernels = kernels.f32
        self._pool = pool
        self._convs: dict[str, _kernels.Conv] = {}
        for layer in network.layers:
            for tensor in layer.tensors(1):
                name, _, kind = tensor.rpartition(".")
                if kind == "weight":
                    relu, (weight, bias) = _is_rectified(layer, name), parameters(name)
                    stride = layer.stride
                    self._convs[name] = _kernels.Conv(
                        kernels.f32, weight, bias, stride=stride, relu=relu
                    )

    def add(self, program: Program, layer: Layer, x: Operand, y: Operand, above: int = 0) -> None:
        if layer is self._first:
            self._round(program, "input", x)
        _ADD[type(layer)](self, program, layer, x, y)

    def on(self, pool: _kernels.ThreadPool) -> RoundedLayers:
        from copy import copy  # costs time that a first answer does not need

        other = copy(self)
        other._pool = pool
        return other

    def _stem(self, program: Program, layer: Conv, x: Operand, y: Operand) -> None:
        self._conv(program, layer.name, x, y)

    def _max_pool(self, program: Program, layer: MaxPool, x: Operand, y: Operand) -> None:
        bind = partial(_kernels.bind_max_pool, self._kernels, self._pool, ceil_mode=layer.ceil_mode)
        program.step(bind, x, y)
        self._round(program, layer.name, y)

    def _classifier(self, program: Program, layer: Classifier, x: Operand, y: Operand) -> None:
        x = _padded(program, x, layer.padding)
        maps = program.value(*x.shape[:3], layer.classes)
        self._conv(program, layer.name, x, maps)
        program.step(partial(partial, _average), maps, y)
        self._round(program, "average", y)

    def _fire(self, program: Program, layer: Fire, x: Operand, y: Operand) -> None:
        size = x.shape[:3]

        def conv(part: str, x: Operand, channels: int) -> Operand:
            return self._conv(program, f"{layer.name}.{part}", x, program.value(*size, channels))

        squeezed = conv("squeeze", x, layer.squeeze)
        ones = conv("expand1x1", squeezed, layer.expand1x1)
        threes = conv("expand3x3", _padded(program, squeezed, 1), layer.expand3x3)
        program.step(partial(partial, _concat), ones, threes, y)
        self._round(program, f"{layer.name}.concat", y)
        if layer.bypass is not None:
            if layer.bypass == "complex":
                x = conv("bypass", x, layer.channels)
            program.step(partial(_kernels.bind_add, self._kernels, self._pool), x, y, y)
            self._round(program, f"{layer.name}.add", y)

    def _conv(self, program: Program, name: str, x: Operand, y: Operand) -> Operand:
        conv, (n, h, w, _) = self._convs[name], x.shape
        scratch = program.scratch(conv.scratch(n, h, w, self._pool.threads))
        program.step(partial(conv.bind, self._pool), x, scratch, y)
        return self._round(program, name, y)

    def _round(self, program: Program, place: str, x: Operand) -> Operand:
        for grid in self._activations.get(place, ()):
            if isinstance(grid, Quantization):
                program.step(partial(partial, _round_to, grid), x)
            else:
                program.step(partial(partial, _round_to_own_range, grid), x)
        return x


_ADD: Mapping[type, Callable[..., None]] = {
    Conv: RoundedLayers._stem,
    MaxPool: RoundedLayers._max_pool,
    Fire: RoundedLayers._fire,
    Classifier: RoundedLayers._classifier,
}


def _is_rectified(layer: Layer, convolution: str) -> bool:
    if isinstance(layer, Classifier):
        return layer.relu
    return not convolution.endswith(".bypass")


def _padded(program: Program, x: Operand, border: int) -> Operand:
    if not border:
        return x
    n, height, width, channels = x.shape
    y = program.value(n, height + 2 * border, width + 2 * border, channels)
    program.step(partial(partial, _pad, border), x, y)
    return y


# --- Steps: each writes its last tensor ---------------------------------------------------------


def _round_to(grid: Quantization, x: _kernels.Tensor) -> None:
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        _round(np.asarray(x), grid)


def _round_to_own_range(grid: DynamicQuantization, x: _kernels.Tensor) -> None:
    """Each image by itself, in float32, as ONNX's DynamicQuantizeLinear computes one image."""
    import numpy as np

    for values in np.asarray(x):
        lowest, highest = (min(values.min(), np.float32(0)), max(values.max(), np.float32(0)))
        scale = np.float32((highest - lowest) / np.float32(grid.high - grid.low))
        if not scale > 0:
            continue  # only zeros
        zero_point = np.clip(np.rint(grid.low - lowest / scale), grid.low, grid.high)
        _round(values, Quantization(float(scale), int(zero_point), grid.low, grid.high))


def _round(values: Any, grid: Quantization) -> None:
    import numpy as np

    values /= grid.scale
    np.rint(values, out=values)
    np.clip(values, grid.low - grid.zero_point, grid.high - grid.zero_point, out=values)
    values += 0  # makes -0 a 0, as an integer has no sign there
    values *= grid.scale


def _pad(border: int, x: _kernels.Tensor, y: _kernels.Tensor) -> None:
    import numpy as np

    np.asarray(y)[...] = 0.0  # other values use this memory of the arena too
    np.asarray(y.inside(border))[...] = np.asarray(x)


def _concat(a: _kernels.Tensor, b: _kernels.Tensor, y: _kernels.Tensor) -> None:
    import numpy as np

    np.concatenate([np.asarray(a), np.asarray(b)], axis=3, out=np.asarray(y))


def _average(x: _kernels.Tensor, y: _kernels.Tensor) -> None:
    import numpy as np

    np.mean(np.asarray(x), axis=(1, 2), keepdims=True, dtype=np.float64, out=np.asarray(y))
