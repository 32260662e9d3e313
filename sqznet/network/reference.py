"""Defines every operation of the network in NumPy and float64.

Nothing here is fast: the kernels are tested against it. Maps are (N, C, H, W), weights (out, in,
kernel height, kernel width), as in papers; results are float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sqznet.network.convdet import AnchorDesign
from sqznet.network.detector import AnyDesign, Design
from sqznet.network.layers import (
    INPUT,
    Classifier,
    Conv,
    Fire,
    Joined,
    MaxPool,
    Network,
    PaddedConv,
    pooled_size,
)

Array = npt.NDArray[np.float64]


def conv2d(x: Any, weight: Any, bias: Any, stride: int = 1, padding: int = 0) -> Array:
    """Cross-correlation, like every framework's convolution: (N, C, H, W) -> (N, O, H', W')."""
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    if padding:
        x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    y = np.tensordot(windows[:, :, ::stride, ::stride], weight, axes=([1, 4, 5], [1, 2, 3]))
    return np.asarray(np.moveaxis(y, -1, 1) + np.asarray(bias, np.float64)[:, None, None])


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def max_pool(x: Any, ceil_mode: bool) -> Array:
    """3x3 windows with stride 2, without padding; ceil mode clips the last window to the map."""
    x = np.asarray(x, np.float64)
    sizes = [pooled_size(side, ceil_mode) for side in x.shape[2:]]
    pad = [max(0, 2 * (out - 1) + 3 - side) for out, side in zip(sizes, x.shape[2:], strict=True)]
    x = np.pad(x, ((0, 0), (0, 0), (0, pad[0]), (0, pad[1])), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    return np.asarray(windows.max(axis=(4, 5))[:, :, : sizes[0], : sizes[1]])


def fire(x: Any, squeeze: Any, expand1x1: Any, expand3x3: Any) -> Array:
    """The fire module; each argument after x is a (weight, bias) pair."""
    s = relu(conv2d(x, *squeeze))
    weight, bias = expand3x3
    parts = [relu(conv2d(s, *expand1x1)), relu(conv2d(s, weight, bias, padding=1))]
    return np.concatenate(parts, axis=1)


def classifier(x: Any, weight: Any, bias: Any, padding: int = 0, rectified: bool = True) -> Array:
    """1x1 convolution, ReLU (if ``rectified``), global average: (N, C, H, W) -> (N, classes)."""
    y = conv2d(x, weight, bias, padding=padding)
    return np.asarray((relu(y) if rectified else y).mean(axis=(2, 3)))


def softmax(logits: Any) -> Array:
    """Softmax over the last axis."""
    logits = np.asarray(logits, np.float64)
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def boxes(
    design: Design,
    maps: Sequence[Array],
    size: tuple[int, int],
    thresholds: Sequence[float],
    most: int | None = None,
) -> list[tuple[int, float, Array]]:
    """The boxes on one image, best first: class, score, and sides (x0, y0, x1, y1) as fractions of
    the input, clipped to 0..1.

    ``maps``: one of each level, (classes + 4, H, W). ``size``: (height, width) of the input in
    pixels. ``thresholds``: the lowest score of each class. ``most``: in place of the design's.
    """
    height, width = size
    classes = len(thresholds)
    found: list[tuple[int, float, Array]] = []
    for level, y in zip(design.levels, maps, strict=True):
        scores = 1 / (1 + np.exp(-y[:classes]))
        sides = level.stride * np.exp(np.clip(y[classes:], -design.limit, design.limit))
        for row, column, index in np.ndindex(*y.shape[1:], classes):
            if scores[index, row, column] < thresholds[index]:
                continue
            point = level.stride * np.array([column, row]) + level.offset + 0.5
            left_top, right_bottom = sides[:2, row, column], sides[2:, row, column]
            corners = np.concatenate([point - left_top, point + right_bottom])
            box = np.clip(corners / [width, height, width, height], 0, 1)
            found.append((index, float(scores[index, row, column]), box))
    return _suppressed(design, found, most)


def anchor_boxes(
    design: AnchorDesign,
    y: Array,
    size: tuple[int, int],
    thresholds: Sequence[float],
    most: int | None = None,
) -> list[tuple[int, float, Array]]:
    """The same for the output (channels, H, W) of a SqueezeDet.

    Source: Wu et al., arXiv:1612.01051, section 3.2, equations 1 to 4; the exponential's limit and
    the centers of the anchors are those of github.com/BichenWuUCB/squeezeDet.
    """
    count, classes = len(design.anchors), len(thresholds)
    rows, columns = y.shape[1:]
    logits, confidences, deltas = np.split(y, [count * classes, count * (classes + 1)])
    shares = softmax(np.moveaxis(logits.reshape(count, classes, rows, columns), 1, -1))
    scores = shares / (1 + np.exp(-confidences))[..., None]
    deltas = deltas.reshape(count, 4, rows, columns)
    found: list[tuple[int, float, Array]] = []
    for row, column, anchor in np.ndindex(rows, columns, count):
        index = int(scores[anchor, row, column].argmax())
        score = float(scores[anchor, row, column, index])
        if score < thresholds[index]:
            continue
        sides = np.array(design.anchors[anchor])
        input_sides = np.array(size)[::-1]
        center = np.array([column + 1, row + 1]) * input_sides / [columns + 1, rows + 1]
        center = center + deltas[anchor, :2, row, column] * sides
        delta = deltas[anchor, 2:, row, column]
        tangent = np.exp(design.limit) * (delta - design.limit + 1)
        grown = sides * np.where(delta > design.limit, tangent, np.exp(delta))
        corners = np.concatenate([center - grown / 2, center + grown / 2])
        found.append((index, score, np.clip(corners / np.tile(input_sides, 2), 0, 1)))
    return _suppressed(design, found, most)


def _suppressed(
    design: AnyDesign, found: list[tuple[int, float, Array]], most: int | None
) -> list[tuple[int, float, Array]]:
    """The best boxes, without those that overlap a better one of their class, or of which nothing
    is within the input."""
    found.sort(key=lambda candidate: -candidate[1])
    kept: list[tuple[int, float, Array]] = []
    for index, score, box in found[: design.candidates]:
        if np.prod(box[2:] - box[:2]) == 0:
            continue
        if all(index != other or _iou(box, o) <= design.iou for other, _, o in kept):
            kept.append((index, score, box))
    return kept[: design.most if most is None else most]


def _iou(a: Array, b: Array) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    both = np.prod(np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])))
    return float(both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both))


def forward(network: Network, tensors: Mapping[str, Any], x: Any) -> Array:
    """Logits (N, classes) of a whole network for a preprocessed input (N, 3, H, W)."""
    return layer_outputs(network, tensors, x)["logits"]


def layer_outputs(network: Network, tensors: Mapping[str, Any], x: Any) -> dict[str, Array]:
    """The outputs of all layers and heads by name: maps (N, C, H, W) and logits (N, classes)."""
    maps = {INPUT: np.asarray(x, np.float64)}
    for branch in network.branches:
        y = maps[branch.input]
        for layer in branch.layers:
            y = maps[layer.name] = _OPERATIONS[type(layer)](layer, tensors, y)
        maps[branch.output] = y
    return maps


def _pair(tensors: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    return tensors[f"{name}.weight"], tensors[f"{name}.bias"]


def _conv(layer: Conv, tensors: Mapping[str, Any], x: Array) -> Array:
    weight, bias = _pair(tensors, layer.name)
    y = conv2d(x, weight, bias, layer.stride, layer.padding)
    return relu(y) if layer.relu else y


def _max_pool(layer: MaxPool, tensors: Mapping[str, Any], x: Array) -> Array:
    return max_pool(x, layer.ceil_mode)


def _fire(layer: Fire, tensors: Mapping[str, Any], x: Array) -> Array:
    parts = ("squeeze", "expand1x1", "expand3x3")
    y = fire(x, *(_pair(tensors, f"{layer.name}.{part}") for part in parts))
    if layer.bypass == "simple":
        return y + x
    if layer.bypass == "complex":
        return y + conv2d(x, *_pair(tensors, f"{layer.name}.bypass"))
    return y


def _classifier(layer: Classifier, tensors: Mapping[str, Any], x: Array) -> Array:
    return classifier(x, *_pair(tensors, layer.name), layer.padding, layer.relu)


def _padded_conv(layer: PaddedConv, tensors: Mapping[str, Any], x: Array) -> Array:
    y = conv2d(x, *_pair(tensors, layer.name), padding=1)
    return relu(y) if layer.relu else y


def _joined(layer: Joined, tensors: Mapping[str, Any], x: Array) -> Array:
    return np.concatenate([_conv(part, tensors, x) for part in layer.parts], axis=1)


_OPERATIONS: Mapping[type, Callable[..., Array]] = {
    Conv: _conv,
    MaxPool: _max_pool,
    Fire: _fire,
    Classifier: _classifier,
    Joined: _joined,
    PaddedConv: _padded_conv,
}
