"""The layers of a network with packed int8 weights, on maps of bytes.

The arithmetic is defined in the docstring of `sqznet.quantization`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from sqznet import _kernels
from sqznet.engine.float_layers import Parameters
from sqznet.engine.program import Dtype, Operand, Program, Rows
from sqznet.network.layers import INPUT, Classifier, Conv, Fire, Layer, MaxPool, Network
from sqznet.quantization.plan import Plan

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# The tensors of an int8 convolution: weight, bias, scale.
Integers = Callable[[str], tuple[_kernels.Tensor, _kernels.Tensor, _kernels.Tensor]]
Kernel = _kernels.ByteConv | _kernels.ByteFire | _kernels.ByteSum | _kernels.ByteClassifier


class ByteMaps:
    """The part of ``PackedLayers`` that layers with maps of bytes share."""

    def __init__(self, plan: Plan) -> None:
        self._maps = plan.maps
        self.border = plan.maps[INPUT].zero

    def dtype_of(self, layer: Layer) -> Dtype:
        return "float32" if isinstance(layer, Classifier) else "uint8"

    def floats(self, name: str, values: _kernels.Tensor) -> npt.NDArray[np.float32]:
        import numpy as np

        found = np.array(values)
        if found.dtype != np.uint8:  # logits
            return found
        grid = self._maps[name]
        return np.asarray(
            (found - np.frombuffer(grid.zero, np.uint8).astype(np.float32))
            * np.array(grid.scales, np.float32)
        )


class Int8Layers(ByteMaps):
    """See ``PackedLayers``."""

    in_bands = True

    def __init__(
        self,
        plan: Plan,
        network: Network,
        parameters: Parameters,
        kernels: _kernels.Kernels,
        pool: _kernels.ThreadPool,
    ) -> None:
        super().__init__(plan)
        self._kernels = kernels.int8
        self._pool = pool
        self._packed: dict[str, Kernel] = {}
        integers = partial(integers_of, plan, parameters)
        for layer in network.layers:
            if layer.name not in self._packed and layer.tensors(1):
                self._packed[layer.name] = _PACK[type(layer)](layer, integers, plan, kernels.int8)
            if isinstance(layer, Fire) and layer.bypass is not None:
                self._packed[f"{layer.name}.add"] = pack_sum(layer, integers, plan, kernels.int8)

    def add(self, program: Program, layer: Layer, x: Operand, y: Operand, above: int = 0) -> None:
        if isinstance(layer, MaxPool):
            pool = partial(_kernels.bind_max_pool_u8, self._kernels, self._pool)
            program.step(partial(pool, ceil_mode=layer.ceil_mode), x, y)
            return
        kernel = self._packed[layer.name]
        if not (isinstance(layer, Fire) and isinstance(kernel, _kernels.ByteFire)):
            self._step(program, layer.name, x, y)
            return
        n, h, w, _ = y.shape
        scratch = program.scratch(kernel.scratch(n, h, w, self._pool.threads))
        program.step(partial(kernel.bind, self._pool, above=above), x, scratch, y)
        if layer.bypass is not None:
            if isinstance(x, Rows):  # only the rows that are written
                x = x.part(above, above + h)
            self._step(program, f"{layer.name}.add", x, y)

    def _step(self, program: Program, name: str, x: Operand, y: Operand) -> None:
        kernel, (n, h, w, _) = self._packed[name], x.shape
        scratch = program.scratch(kernel.scratch(n, h, w, self._pool.threads))
        program.step(partial(kernel.bind, self._pool), x, scratch, y)

    def on(self, pool: _kernels.ThreadPool) -> Int8Layers:
        from copy import copy  # costs time that a first answer does not need

        other = copy(self)
        other._pool = pool
        return other


def integers_of(
    plan: Plan, parameters: Parameters, name: str
) -> tuple[_kernels.Tensor, _kernels.Tensor, _kernels.Tensor]:
    """The tensors of a convolution: int8 weight, int32 bias, float32 scale."""
    conv = plan.convs[name]
    weight, _ = parameters(name)
    quantized = _kernels.quantize_weights(
        weight, vector(conv.input_scales), vector(conv.weight_scales)
    )
    return quantized, vector(conv.bias, "int32"), vector(conv.scale)


def vector(values: array[float] | array[int], dtype: Dtype = "float32") -> _kernels.Tensor:
    """Numbers in a tensor's first dimension."""
    return _kernels.Tensor.over(values, (len(values), 1, 1, 1), dtype)


def _pack_conv(
    layer: Conv, integers: Integers, plan: Plan, kernels: _kernels.Int8Kernels
) -> _kernels.ByteConv:
    return _kernels.ByteConv(kernels, *integers(layer.name), stride=layer.stride)


def _pack_fire(
    layer: Fire, integers: Integers, plan: Plan, kernels: _kernels.Int8Kernels
) -> _kernels.ByteFire:
    parts = ("squeeze", "expand1x1", "expand3x3")
    squeeze, ones, threes = (integers(f"{layer.name}.{part}") for part in parts)
    return _kernels.ByteFire(kernels, *squeeze, *ones, *threes)


def pack_sum(
    layer: Fire, integers: Integers, plan: Plan, kernels: _kernels.Int8Kernels
) -> _kernels.ByteSum:
    """The sum of a fire and its bypass."""
    added = plan.sums[layer.name]
    return _kernels.ByteSum(
        kernels,
        vector(added.fire),
        vector(added.around),
        added.zero,
        added.around_zero,
        integers(f"{layer.name}.bypass") if layer.bypass == "complex" else None,
    )


def _pack_classifier(
    layer: Classifier, integers: Integers, plan: Plan, kernels: _kernels.Int8Kernels
) -> _kernels.ByteClassifier:
    border = vector(array("B", plan.convs[layer.name].border), "uint8")
    return _kernels.ByteClassifier(
        kernels, *integers(layer.name), border, padding=layer.padding, relu=layer.relu
    )


_PACK: Mapping[type, Callable[..., Kernel]] = {
    Conv: _pack_conv,
    Fire: _pack_fire,
    Classifier: _pack_classifier,
}
