"""Reads the weights in ncnn's .bin files, one convolution after another.

A convolution's weights begin with a tag of four bytes for their storage: float32, float16, int8, or
indices into a preceding table of 256 float32. They are padded to a multiple of four bytes. Then
follow the bias and, for int8, the scales of the output channels (an integer is the weight times the
scale) and those of the input and, if its term is above 100, of the output, all in float32 without a
tag.
(https://github.com/Tencent/ncnn, src/modelbin.cpp and src/layer/convolution.cpp)
"""

from __future__ import annotations

import struct
from array import array
from typing import NamedTuple

from sqznet.errors import WeightsError, shown
from sqznet.weights.checkpoint import RawTensor
from sqznet.weights.recognition import Layer

_FLOAT32 = (0, 0x0002C056)  # the second means that loading must not quantize
_FLOAT16, _INT8 = 0x01306B47, 0x000D4B38
_TABLE_BYTES = 256 * 4
_TAG_BYTES = 4
_LAST_WITHOUT_OUTPUT = 100
_LEAST_SCALE = 1e-30


class StoredConv(NamedTuple):
    """A convolution: weight (OIHW), bias, and the steps to which its input and output are rounded,
    if they are."""

    weight: RawTensor
    bias: RawTensor
    input_step: float | None
    output_step: float | None


class NcnnWeights:
    """Reads the weights of one convolution after another.

    Attribute: ``is_quantized``, whether any weight so far was stored in 8 bits.
    """

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._position = 0
        self.is_quantized = False

    def convolution(
        self, layer: Layer, count: int, has_bias: bool, int8_scale_term: int
    ) -> StoredConv:
        """A layer with `count` weights; a bias that it does not have is zeros.

        Raises WeightsError, naming the layer, if the bytes in the file do not match.
        """
        per_channel = layer.kernel * layer.kernel
        inputs, rest = divmod(count, layer.channels * per_channel)
        if inputs < 1 or rest:
            raise WeightsError(
                f"layer {shown(layer.name)} has {count} weights, expected a multiple of "
                f"{layer.channels} channels times {per_channel}"
            )
        shape = (layer.channels, inputs, layer.kernel, layer.kernel)
        tag = int.from_bytes(self._take(layer, _TAG_BYTES), "little")
        if tag in _FLOAT32:
            dtype, data = "float32", self._take(layer, count * 4)
        elif tag == _FLOAT16:
            dtype, data = "float16", self._take(layer, _padded(count * 2))[: count * 2]
        elif tag == _INT8:
            if not int8_scale_term:
                raise WeightsError(f"layer {shown(layer.name)} has int8 weights without scales")
            dtype, data = "int8", self._take(layer, _padded(count))[:count]
        else:  # for ncnn, any other tag means a table
            table = self._take(layer, _TABLE_BYTES)
            data = _looked_up(table, self._take(layer, _padded(count))[:count])
            dtype, self.is_quantized = "float32", True
        bias_bytes = layer.channels * 4
        bias = self._take(layer, bias_bytes) if has_bias else memoryview(bytes(bias_bytes))
        scales = input_step = output_step = None
        if int8_scale_term:
            stored = self._take(layer, layer.channels * 4)
            around = self._take(layer, 4 if int8_scale_term <= _LAST_WITHOUT_OUTPUT else 8)
            if dtype == "int8":
                scales, self.is_quantized = _inverse(layer, stored), True
                input_step, output_step = _steps(layer, around)
        weight = RawTensor(dtype, shape, data, scales)
        return StoredConv(
            weight, RawTensor("float32", (layer.channels,), bias), input_step, output_step
        )

    def check_end(self) -> None:
        """Raises WeightsError if bytes remain in the file."""
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


def _steps(layer: Layer, stored: memoryview) -> tuple[float, float | None]:
    """The steps of the input and, if it is stored, of the output."""
    steps = [_step(layer, scale) for (scale,) in struct.iter_unpack("<f", stored)]
    return steps[0], steps[1] if len(steps) == 2 else None


def _step(layer: Layer, scale: float) -> float:
    """What one unit of integers with this scale stands for, a float32."""
    if not _LEAST_SCALE <= scale <= 1 / _LEAST_SCALE:
        raise WeightsError(
            f"layer {shown(layer.name)} has the scale {scale:g} for its activations, expected a "
            "positive number"
        )
    return array("f", [1 / scale])[0]


def _padded(size: int) -> int:
    return (size + 3) // 4 * 4


def _looked_up(table: memoryview, indices: memoryview) -> memoryview:
    import numpy as np

    values = np.frombuffer(table, "<f4")[np.frombuffer(indices, np.uint8)]
    return values.data.cast("B")


def _inverse(layer: Layer, scales: memoryview) -> memoryview:
    """The factors of each output channel's integers, in float32."""
    import numpy as np

    scale = np.frombuffer(scales, "<f4")
    if not np.isfinite(scale).all():
        raise WeightsError(f"layer {shown(layer.name)} has scales that are not finite")
    # A channel of zeros has no scale: ncnn's tools write 0 or any other value.
    inverse = np.zeros_like(scale)
    np.divide(1, scale, out=inverse, where=np.abs(scale) > 1e-30)
    return inverse.data.cast("B")
