"""Defines the integer network in NumPy, bit for bit; all kernels are tested against it.

Nothing here is fast. Maps are uint8 (N, H, W, C), as in the kernels; weights are OIHW. Sums are
computed in float64, where they are exact: every product and partial sum is an integer below 2**53.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sqznet.network.layers import (
    INPUT,
    Classifier,
    Conv,
    Fire,
    Joined,
    MaxPool,
    Network,
    pooled_size,
)
from sqznet.quantization.description import Grid
from sqznet.quantization.integers import IntegerConv
from sqznet.quantization.plan import Plan, SumPlan

Bytes = npt.NDArray[np.uint8]
Sums = npt.NDArray[np.int64]
Convs = Mapping[str, IntegerConv]


def sums(x: Bytes, integers: IntegerConv, stride: int = 1, padding: int = 0) -> Sums:
    """The integer sums of a convolution, int64 (N, H', W', O); each fits in 32 bits."""
    x, weight = padded(x, integers.border, padding), integers.weight.astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(1, 2))
    windows = windows[:, ::stride, ::stride].astype(np.float64)
    exact = np.tensordot(windows, weight, axes=([3, 4, 5], [1, 2, 3]))
    return np.asarray(exact.astype(np.int64) + integers.bias)


def padded(x: Bytes, border: Bytes, width: int) -> Bytes:
    """The map with ``width`` pixels of the bytes ``border`` (C,) on each side."""
    if not width:
        return x
    n, height, cols, channels = x.shape
    y = np.empty((n, height + 2 * width, cols + 2 * width, channels), np.uint8)
    y[...] = border
    y[:, width:-width, width:-width] = x
    return y


def requantized(values: Sums, scale: npt.NDArray[np.float32]) -> Bytes:
    """The bytes of sums (..., O): one float32 product, rounded to nearest even and clipped."""
    with np.errstate(over="ignore"):  # an infinite product is clipped, too
        product = values.astype(np.float32) * scale
    return np.asarray(np.clip(np.rint(product), 0, 255), np.uint8)


def conv(x: Bytes, integers: IntegerConv, stride: int = 1, padding: int = 0) -> Bytes:
    """A convolution followed by a ReLU: uint8 (N, H', W', O)."""
    y = requantized(sums(x, integers, stride, padding), integers.scale)
    return y if integers.table is None else np.asarray(integers.table[y])


def max_pool(x: Bytes, ceil_mode: bool) -> Bytes:
    """3x3 windows with stride 2, without padding; ceil mode clips the last window to the map."""
    sizes = [pooled_size(side, ceil_mode) for side in x.shape[1:3]]
    pad = [max(0, 2 * (out - 1) + 3 - side) for out, side in zip(sizes, x.shape[1:3], strict=True)]
    x = np.pad(x, ((0, 0), (0, pad[0]), (0, pad[1]), (0, 0)))  # no byte is below 0
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2]
    return np.asarray(windows.max(axis=(4, 5))[:, : sizes[0], : sizes[1]])


def fire(x: Bytes, squeeze: IntegerConv, expand1x1: IntegerConv, expand3x3: IntegerConv) -> Bytes:
    """A fire without its bypass."""
    squeezed = conv(x, squeeze)
    return np.concatenate([conv(squeezed, expand1x1), conv(squeezed, expand3x3, 1, 1)], axis=3)


def add(own: Bytes, around: Any, plan: SumPlan) -> Bytes:
    """The sum of a fire's output and its bypass: the input's bytes or a convolution's sums."""
    fire_factors, around_factors = (
        np.array(factors, np.float32) for factors in (plan.fire, plan.around)
    )
    shifted = np.asarray(around, np.int64) - plan.around_zero
    total = own.astype(np.float32) * fire_factors + shifted.astype(np.float32) * around_factors
    # Where adding the zero point to a float32 is not exact, the result is clipped anyway.
    return np.asarray(np.clip(np.rint(total) + np.float32(plan.zero), 0, 255), np.uint8)


def output(x: Bytes, integers: IntegerConv) -> npt.NDArray[np.float32]:
    """The floats that the sums of a convolution without ReLU stand for: float32 (N, H, W, O)."""
    return np.asarray(sums(x, integers).astype(np.float32) * integers.scale)


def classifier(
    x: Bytes, integers: IntegerConv, padding: int = 0, rectified: bool = True
) -> npt.NDArray[np.float32]:
    """Logits, float32 (N, classes)."""
    found = sums(x, integers, padding=padding)
    pixels = found.shape[1] * found.shape[2]
    total = (np.maximum(found, 0) if rectified else found).sum(axis=(1, 2))
    return np.asarray(total * integers.scale.astype(np.float64) / pixels, np.float32)


def mean(x: Bytes, scales: Any) -> npt.NDArray[np.float32]:
    """The average over all pixels of a map whose bytes stand for multiples of ``scales`` (C,)."""
    pixels = x.shape[1] * x.shape[2]
    total = x.sum(axis=(1, 2), dtype=np.int64)
    return np.asarray(total * np.array(scales, np.float64) / pixels, np.float32)


def rounded(x: npt.NDArray[np.float32], grid: Grid) -> npt.NDArray[np.float32]:
    """The values rounded to a grid, in float32."""
    steps = np.rint(x / np.float32(grid.scale))
    steps = np.clip(steps, grid.lowest, grid.highest) + np.float32(0)  # no -0
    return np.asarray(steps * np.float32(grid.scale))


def forward(network: Network, convs: Convs, plan: Plan, x: Any) -> npt.NDArray[np.float32]:
    """Logits (N, classes) of a whole network for gray levels, uint8 (N, H, W, 3)."""
    return np.asarray(layer_outputs(network, convs, plan, x)["logits"])


def layer_outputs(
    network: Network, convs: Convs, plan: Plan, x: Any
) -> dict[str, npt.NDArray[Any]]:
    """The outputs of all layers and heads by name: maps uint8 (N, H, W, C), logits float32
    (N, classes), and a detector's outputs float32 (N, H, W, classes + 4). ``convs``, ``plan``: the
    network's convolutions and its plan."""
    maps: dict[str, npt.NDArray[Any]] = {INPUT: np.asarray(x, np.uint8)}
    for branch in network.branches:
        y = maps[branch.input]
        for layer in branch.layers:
            y = maps[layer.name] = _OPERATIONS[type(layer)](layer, convs, plan, y)
        maps[branch.output] = y
    return maps


def _conv(layer: Conv, convs: Convs, plan: Plan, x: Bytes) -> Bytes:
    return conv(x, convs[layer.name], layer.stride, layer.padding)


def _max_pool(layer: MaxPool, convs: Convs, plan: Plan, x: Bytes) -> Bytes:
    return max_pool(x, layer.ceil_mode)


def _fire(layer: Fire, convs: Convs, plan: Plan, x: Bytes) -> Bytes:
    parts = ("squeeze", "expand1x1", "expand3x3")
    y = fire(x, *(convs[f"{layer.name}.{part}"] for part in parts))
    if layer.bypass is None:
        return y
    around = sums(x, convs[f"{layer.name}.bypass"]) if layer.bypass == "complex" else x
    return add(y, around, plan.sums[layer.name])


def _joined(layer: Joined, convs: Convs, plan: Plan, x: Bytes) -> npt.NDArray[np.float32]:
    return np.concatenate([output(x, convs[part.name]) for part in layer.parts], axis=3)


def _classifier(layer: Classifier, convs: Convs, plan: Plan, x: Bytes) -> npt.NDArray[np.float32]:
    integers, padding = convs[layer.name], layer.padding
    if layer.name in plan.classes:
        y = mean(conv(x, integers, padding=padding), plan.classes[layer.name])
    else:
        y = classifier(x, integers, padding, layer.relu)
    for grid in plan.logits:
        y = rounded(y, grid)
    return y


_OPERATIONS: Mapping[type, Callable[..., Any]] = {
    Conv: _conv,
    MaxPool: _max_pool,
    Fire: _fire,
    Joined: _joined,
    Classifier: _classifier,
}
