"""Reads the weights in ncnn's .bin files, one convolution after the other.

A convolution's weights begin with a mark of four bytes that says how they are stored: as float32,
float16, int8, or as indices into a table of 256 float32 that comes first; they are padded to whole
four bytes. Then come its bias and, for int8, the scales of its output channels (an integer is the
weight times the scale) and of its input and output, all in float32 without a mark.
(https://github.com/Tencent/ncnn, src/modelbin.cpp and src/layer/convolution.cpp)
"""

from __future__ import annotations

from sqznet.errors import WeightsError, shown
from sqznet.weights.checkpoint import RawTensor
from sqznet.weights.recognition import Layer

_FLOAT32 = (0, 0x0002C056)  # the second: not to be quantised when it is loaded
_FLOAT16, _INT8 = 0x01306B47, 0x000D4B38
_TABLE_BYTES = 256 * 4
_MARK_BYTES = 4


class NcnnWeights:
    """Reads on from where the last convolution's weights ended.

    Attribute: ``is_quantized``, whether any weight so far was stored in eight bits.
    """

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._position = 0
        self.is_quantized = False

    def convolution(
        self, layer: Layer, count: int, has_bias: bool, int8_scale_term: int
    ) -> tuple[RawTensor, RawTensor]:
        """Weight (OIHW) and bias, zeros where it has none, of a layer of `count` weights.

        Raises WeightsError, naming the layer, if the file's bytes do not fit.
        """
        per_channel = layer.kernel * layer.kernel
        inputs, rest = divmod(count, layer.channels * per_channel)
        if inputs < 1 or rest:
            raise WeightsError(
                f"layer {shown(layer.name)} has {count} weights, expected a multiple of "
                f"{layer.channels} channels times {per_channel}"
            )
        shape = (layer.channels, inputs, layer.kernel, layer.kernel)
        mark = int.from_bytes(self._take(layer, _MARK_BYTES), "little")
        if mark in _FLOAT32:
            dtype, data = "float32", self._take(layer, count * 4)
        elif mark == _FLOAT16:
            dtype, data = "float16", self._take(layer, _padded(count * 2))[: count * 2]
        elif mark == _INT8:
            if not int8_scale_term:
                raise WeightsError(f"layer {shown(layer.name)} holds int8 weights without scales")
            dtype, data = "int8", self._take(layer, _padded(count))[:count]
        else:  # ncnn takes any other mark for this
            table = self._take(layer, _TABLE_BYTES)
            data = _looked_up(table, self._take(layer, _padded(count))[:count])
            dtype, self.is_quantized = "float32", True
        bias_bytes = layer.channels * 4
        bias = self._take(layer, bias_bytes) if has_bias else memoryview(bytes(bias_bytes))
        scales = None
        if int8_scale_term:
            stored = self._take(layer, layer.channels * 4)
            self._take(layer, 4 if int8_scale_term <= 100 else 8)
            if dtype == "int8":
                scales, self.is_quantized = _inverse(layer, stored), True
        return RawTensor(dtype, shape, data, scales), RawTensor("float32", (layer.channels,), bias)

    def check_end(self) -> None:
        """Raises WeightsError if anything follows what was read."""
        if self._position != self._view.nbytes:
            raise WeightsError(
                f"its .bin file has {self._view.nbytes} bytes, but its layers take "
                f"{self._position} of them"
            )

    def _take(self, layer: Layer, size: int) -> memoryview:
        left = self._view.nbytes - self._position
        if size > left:
            raise WeightsError(
                f"layer {shown(layer.name)} needs {size} bytes of the .bin file, "
                f"which has {left} left; it was cut short, or belongs to another .param file"
            )
        self._position += size
        return self._view[self._position - size : self._position]


def _padded(size: int) -> int:
    return (size + 3) // 4 * 4


def _looked_up(table: memoryview, indices: memoryview) -> memoryview:
    import numpy as np

    values = np.frombuffer(table, "<f4")[np.frombuffer(indices, np.uint8)]
    return values.data.cast("B")


def _inverse(layer: Layer, scales: memoryview) -> memoryview:
    """What the integers of each output channel are multiplied by, in float32."""
    import numpy as np

    scale = np.frombuffer(scales, "<f4")
    if not np.isfinite(scale).all():
        raise WeightsError(f"layer {shown(layer.name)} has scales that are not finite")
    # A channel of zeros has no scale of its own: ncnn's tools write 0 or anything else.
    inverse = np.zeros_like(scale)
    np.divide(1, scale, out=inverse, where=np.abs(scale) > 1e-30)
    return inverse.data.cast("B")
