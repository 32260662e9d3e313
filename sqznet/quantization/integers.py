"""The integers of a network as NumPy arrays, made of float32 weights and a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sqznet.quantization.plan import ConvPlan, Plan

#: The magnitude of the largest integer weight.
LARGEST_WEIGHT = 127


class IntegerConv(NamedTuple):
    """The integers of a convolution: weight int8 (O, I, KH, KW), bias int32 (O,), scale float32
    (O,), and border uint8 (I,), which any padding of its input holds; table: what becomes of each
    output byte, uint8 (256,), or None."""

    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    scale: npt.NDArray[np.float32]
    border: npt.NDArray[np.uint8]
    table: npt.NDArray[np.uint8] | None = None


def quantized(weight: Any, input_scales: Any, weight_scales: Any) -> npt.NDArray[np.int8]:
    """The int8 of float32 weights (O, I, KH, KW), with scales float32 (I,) and (O,); defined in
    the docstring of `sqznet.quantization`."""
    weight, input_scales, weight_scales = (
        np.asarray(array, np.float32) for array in (weight, input_scales, weight_scales)
    )
    with np.errstate(over="ignore"):  # an infinite quotient is clipped, too
        scaled = weight * input_scales[:, None, None] / weight_scales[:, None, None, None]
    return np.asarray(np.clip(np.rint(scaled), -LARGEST_WEIGHT, LARGEST_WEIGHT), np.int8)


def represented(
    weight: npt.NDArray[np.int8], input_scales: Any, weight_scales: Any
) -> npt.NDArray[np.float32]:
    """The float32 weights that these integers stand for; `quantized` gives the same integers."""
    input_scales, weight_scales = (
        np.asarray(array, np.float32) for array in (input_scales, weight_scales)
    )
    scaled = weight * weight_scales[:, None, None, None]
    return np.asarray(scaled / input_scales[:, None, None], np.float32)


def integer_conv(weight: Any, conv: ConvPlan) -> IntegerConv:
    """The integers of a convolution with this float32 weight (O, I, KH, KW)."""
    return IntegerConv(
        weight=quantized(weight, conv.input_scales, conv.weight_scales),
        bias=np.array(conv.bias, np.int32),
        scale=np.array(conv.scale, np.float32),
        border=np.frombuffer(conv.border, np.uint8),
        table=np.frombuffer(conv.table, np.uint8) if conv.table else None,
    )


def integer_convs(plan: Plan, weight_of: Callable[[str], Any]) -> Mapping[str, IntegerConv]:
    """All convolutions by name. ``weight_of`` gives the float32 weight of a convolution."""
    return {name: integer_conv(weight_of(name), conv) for name, conv in plan.convs.items()}
