"""The layers of a network with packed int8 weights, on maps of bytes.

The arithmetic is defined in the docstring of `sqznet.quantization`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqznet import _kernels
from sqznet.engine.float_layers import Parameters, stacked
from sqznet.engine.program import Dtype, Operand, Program, Rows, Value
from sqznet.network.layers import INPUT, Classifier, Conv, Fire, Joined, Layer, MaxPool, Network
from sqznet.quantization.plan import Plan

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# The tensors of an int8 convolution: weight, bias, scale.
Integers = Callable[[str], tuple[_kernels.Tensor, _kernels.Tensor, _kernels.Tensor]]
Kernel = (
    _kernels.ByteConv
    | _kernels.ByteFire
    | _kernels.ByteSum
    | _kernels.ByteOutput
    | _kernels.ByteClassifier
)

Own = TypeVar("Own", bound="ByteLayers")


class ByteLayers:
    """The part of ``PackedLayers`` that layers with maps of bytes share."""

    def __init__(
        self, plan: Plan, kernels: _kernels.Int8Kernels, pool: _kernels.ThreadPool
    ) -> None:
        self._maps = plan.maps
        self.border = plan.maps[INPUT].zero
        self.kernels = kernels
        self.pool = pool

    def on(self: Own, pool: _kernels.ThreadPool) -> Own:
        from copy import copy  # costs time that a first answer does not need

        other = copy(self)
        other.pool = pool
        return other

    def dtype_of(self, layer: Layer) -> Dtype:
        return "float32" if isinstance(layer, Classifier | Joined) else "uint8"

    def floats(self, name: str, values: _kernels.Tensor) -> npt.NDArray[np.float32]:
        import numpy as np

        found = np.array(values)
        if found.dtype != np.uint8:  # logits, or a detector's output
            return found
        grid = self._maps[name]
        return np.asarray(
            (found - np.frombuffer(grid.zero, np.uint8).astype(np.float32))
            * np.array(grid.scales, np.float32)
        )

    def max_pool(self, program: Program, layer: MaxPool, x: Operand, y: Operand) -> None:
        bind = partial(_kernels.bind_max_pool_u8, self.kernels, self.pool)
        program.step(partial(bind, ceil_mode=layer.ceil_mode), x, y)

    def step(self, program: Program, kernel: Kernel, x: Operand, y: Operand) -> None:
        program.step(partial(kernel.bind, self.pool), x, self.scratch(program, kernel, x), y)

    def scratch(self, program: Program, kernel: Kernel, x: Operand) -> Value:
        n, h, w, _ = x.shape
        return program.scratch(kernel.scratch(n, h, w, self.pool.threads))


class Int8Layers(ByteLayers):
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
        super().__init__(plan, kernels.int8, pool)
        self._packed: dict[str, Kernel] = {}
        integers = partial(integers_of, plan, parameters)
        for layer in network.layers:
            if layer.name not in self._packed and layer.tensors(1):
                self._packed[layer.name] = _PACK[type(layer)](layer, integers, plan, kernels.int8)
            if isinstance(layer, Fire) and layer.bypass is not None:
                self._packed[f"{layer.name}.add"] = pack_sum(layer, integers, plan, kernels.int8)

    def add(self, program: Program, layer: Layer, x: Operand, y: Operand, above: int = 0) -> None:
        if isinstance(layer, MaxPool):
            self.max_pool(program, layer, x, y)
            return
        kernel = self._packed[layer.name]
        if not (isinstance(layer, Fire) and isinstance(kernel, _kernels.ByteFire)):
            self.step(program, kernel, x, y)
            return
        bind = partial(kernel.bind, self.pool, above=above)
        program.step(bind, x, self.scratch(program, kernel, y), y)
        if layer.bypass is not None:
            if isinstance(x, Rows):  # only the rows that are written
                x = x.part(above, above + y.shape[1])
            self.step(program, self._packed[f"{layer.name}.add"], x, y)


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


def pack_fire(
    layer: Fire, integers: Integers, plan: Plan, kernels: _kernels.Int8Kernels
) -> _kernels.ByteFire:
    """A fire without its bypass."""
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


def _pack_joined(
    layer: Joined, integers: Integers, plan: Plan, kernels: _kernels.Int8Kernels
) -> _kernels.ByteOutput:
    """One kernel for all parts: their weights are rows of one matrix."""
    parts = zip(*(integers(part.name) for part in layer.parts), strict=True)
    return _kernels.ByteOutput(kernels, *map(stacked, parts))


def pack_classifier(
    layer: Classifier, integers: Integers, plan: Plan, kernels: _kernels.Int8Kernels
) -> _kernels.ByteClassifier:
    """The classifier with its average."""
    border = vector(array("B", plan.convs[layer.name].border), "uint8")
    return _kernels.ByteClassifier(
        kernels, *integers(layer.name), border, padding=layer.padding, relu=layer.relu
    )


_PACK: Mapping[type, Callable[..., Kernel]] = {
    Conv: _pack_conv,
    Fire: pack_fire,
    Joined: _pack_joined,
    Classifier: pack_classifier,
}
