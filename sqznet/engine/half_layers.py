"""The layers of a network with packed weights in half precision, on maps of halves.

The network's input is float32, which the first layer rounds, and so are the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from sqznet import _kernels
from sqznet.engine.float_layers import (
    FloatLayers,
    Packed,
    PackedKernel,
    Parameters,
    packed_fire,
    packed_pool,
)
from sqznet.engine.program import Dtype, Operand, Program
from sqznet.network.layers import Classifier, Conv, Fire, Layer, MaxPool


class HalfLayers(FloatLayers):
    """See ``PackedLayers``. The kernels have half precision."""

    keeps_input = True  # `HalfExecutor` may run it again

    def packed(self, layer: Layer, parameters: Parameters, kernels: _kernels.Kernels) -> Packed:
        assert kernels.f16 is not None
        self._kernels = kernels.f16
        return _PACK[type(layer)](layer, parameters, kernels.f16)

    def dtype_of(self, layer: Layer) -> Dtype:
        return "float32" if isinstance(layer, Classifier) else "float16"

    def add(self, program: Program, layer: Layer, x: Operand, y: Operand, above: int = 0) -> None:
        if x.dtype == "float32":
            rounded = program.value(*x.shape, dtype="float16")
            program.step(partial(_kernels.bind_round_f16, self._kernels, self.pool), x, rounded)
            x = rounded
        super().add(program, layer, x, y, above)


def _pack_conv(
    layer: Conv, parameters: Parameters, kernels: _kernels.Float16Kernels
) -> PackedKernel:
    weight, bias = parameters(layer.name)
    if (layer.kernel, layer.stride) == (7, 2):
        return PackedKernel(_kernels.HalfStem(kernels, weight, bias))
    return PackedKernel(_kernels.HalfConv(kernels, weight, bias, layer.stride, layer.relu))


def _pack_classifier(
    layer: Classifier, parameters: Parameters, kernels: _kernels.Float16Kernels
) -> PackedKernel:
    return PackedKernel(
        _kernels.HalfClassifier(
            kernels, *parameters(layer.name), padding=layer.padding, relu=layer.relu
        )
    )


_PACK: Mapping[type, Callable[..., Packed]] = {
    Conv: _pack_conv,
    MaxPool: partial(packed_pool, _kernels.bind_max_pool_f16),
    Fire: partial(packed_fire, _kernels.HalfFire, _kernels.HalfConv, _kernels.bind_add_f16),
    Classifier: _pack_classifier,
}
