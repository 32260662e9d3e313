"""Compares points for Winograd's algorithm in half precision: python -m benchmarks.lab.half_points

NumPy computes SqueezeNet 1.1 as the float16 kernels do, with every sum rounded to half precision,
and the 3x3 expands by F(4 x 4, 3 x 3) with the points 0, +-near, +-far and infinity. The error of a
photo is its largest logit error relative to its largest logit, compared with float32. "Largest" is
the largest magnitude of a transformed input or a product; squeezed maps are divided by 16, and
halves end at 65504. It takes seconds for a photo and a pair of points.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import report
from benchmarks.material import find_photos, load_weights, network_input, some
from benchmarks.network import Weights

Array = npt.NDArray[Any]

PAIRS = ((0.75, 1.5), (0.5, 1.5), (1.0, 2.0), (0.5, 1.0), (2 / 3, 4 / 3))
SQUEEZED = 1 / 16  # the factor of squeezed maps, as in csrc/core/f16_layers.cpp
POOLS, FIRES, CLASSIFIER = (2, 5, 8), (3, 4, 6, 7, 9, 10, 11, 12), "classifier.1"


class Transforms(NamedTuple):
    """Of input, filter and output: points x samples, points x taps, outputs x points."""

    inputs: Array
    filters: Array
    outputs: Array


def transforms(near: float, far: float) -> Transforms:
    """Of Toom and Cook; see Lavin and Gray, arXiv:1509.09308."""
    points = [0.0, near, -near, far, -far]
    inputs, filters, outputs = np.zeros((6, 6)), np.zeros((6, 3)), np.zeros((4, 6))
    for i, point in enumerate(points):
        others = [other for other in points if other != point]
        inputs[i, :5] = np.poly(others)[::-1]
        filters[i] = point ** np.arange(3) / np.prod(point - np.array(others))
        outputs[:, i] = point ** np.arange(4)
    inputs[5] = np.poly(points)[::-1]
    filters[5, 2] = outputs[3, 5] = 1
    return Transforms(inputs, filters, outputs)


def half(x: Array) -> Array:
    return np.asarray(x, np.float16)


def product(x: Array, weight: Array, bias: Array | float = 0.0) -> Array:
    """x (..., n, k) times weight (..., k, m), the sums rounded to half precision at each step."""
    sums = np.zeros((*x.shape[:-1], weight.shape[-1]), np.float16) + half(np.asarray(bias))
    for k in range(x.shape[-1]):
        step = x[..., k, None].astype(np.float32) * weight[..., None, k, :].astype(np.float32)
        sums = half(sums + step)
    return sums


def combined(matrix: Array, x: Array, axis: int) -> Array:
    """The matrix times x along an axis, each step rounded to half precision."""
    samples = np.moveaxis(x, axis, 0).astype(np.float32)
    rows = []
    for row in half(matrix).astype(np.float32):
        total = np.zeros_like(samples[0], np.float16)
        for factor, sample in zip(row, samples, strict=True):
            if factor:
                total = half(total + factor * sample)
        rows.append(total)
    return np.moveaxis(np.array(rows), 0, axis)


class Half:
    """SqueezeNet 1.1 in half precision; without transforms, in float32."""

    def __init__(self, weights: Weights, used: Transforms | None) -> None:
        self._weights = weights
        self._used = used
        self.largest = 0.0

    def logits(self, image: Array) -> Array:
        """Of a preprocessed photo (3, 224, 224)."""
        x = windows(image.transpose(1, 2, 0), 3)[::2, ::2]
        x = self._conv(x.reshape(*x.shape[:2], -1), "features.0")
        for index in range(1, 13):
            if index in POOLS:
                x = windows(x, 3)[::2, ::2].max((3, 4))
            elif index in FIRES:
                x = self._fire(x, f"features.{index}")
        return np.asarray(self._conv(x, CLASSIFIER).astype(np.float64).mean((0, 1)))

    def _conv(self, x: Array, name: str, weight: float = 1.0, bias: float = 1.0) -> Array:
        matrix = self._weights[f"{name}.weight"].reshape(len(self._weights[f"{name}.bias"]), -1).T
        added, pixels = self._weights[f"{name}.bias"], x.reshape(-1, x.shape[-1])
        if self._used is None:
            y = pixels.astype(np.float32) @ matrix + added
        else:
            y = product(half(pixels), half(matrix * weight), added * bias)
        return np.asarray(np.maximum(y, 0).reshape(*x.shape[:2], -1))

    def _fire(self, x: Array, name: str) -> Array:
        squeezed = self._conv(x, f"{name}.squeeze", SQUEEZED, SQUEEZED)
        ones = self._conv(squeezed, f"{name}.expand1x1", 1 / SQUEEZED)
        return np.concatenate([ones, self._three(squeezed, f"{name}.expand3x3")], axis=2)

    def _three(self, x: Array, name: str) -> Array:
        height, width, channels = x.shape
        if self._used is None:
            around = windows(np.pad(x, ((1, 1), (1, 1), (0, 0))), 3)
            return self._conv(around.reshape(height, width, -1), name)
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        rows, columns = -(-height // 4), -(-width // 4)
        padded = np.zeros((4 * rows + 2, 4 * columns + 2, channels), np.float16)
        padded[1 : height + 1, 1 : width + 1] = x
        tiles = windows(padded, 6)[::4, ::4]  # row, column, channel, 6, 6
        points = combined(self._used.inputs, combined(self._used.inputs, tiles, 3), 4)
        filters = half(weight / SQUEEZED)
        filters = combined(self._used.filters, combined(self._used.filters, filters, 2), 3)
        products = product(
            points.reshape(rows * columns, channels, 36).transpose(2, 0, 1),
            filters.transpose(2, 3, 1, 0).reshape(36, channels, -1),
        )
        for values in (points, products):
            self.largest = max(self.largest, float(np.abs(values.astype(np.float32)).max()))
        outputs = products.reshape(6, 6, rows, columns, -1)
        outputs = combined(self._used.outputs, combined(self._used.outputs, outputs, 0), 1)
        y = outputs.transpose(2, 0, 3, 1, 4).reshape(4 * rows, 4 * columns, -1)
        return np.asarray(np.maximum(half(y[:height, :width] + half(bias)), 0))


def windows(x: Array, side: int) -> Array:
    """(row, column, channel, side, side)"""
    return np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(0, 1))


def measure(photos: Array) -> list[tuple[str, ...]]:
    """The rows of the table."""
    weights = load_weights("1.1")
    expected = [Half(weights, None).logits(photo) for photo in photos]
    rows: list[tuple[str, ...]] = [("points", "worst error", "mean error", "largest")]
    for near, far in PAIRS:
        network = Half(weights, transforms(near, far))
        errors = [
            np.abs(network.logits(photo) - wanted).max() / np.abs(wanted).max()
            for photo, wanted in zip(photos, expected, strict=True)
        ]
        worst, mean = f"{max(errors):.1e}", f"{np.mean(errors):.1e}"
        rows.append((f"0, +-{near:.3g}, +-{far:.3g}", worst, mean, f"{network.largest:.0f}"))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photos", type=int, default=4)
    options = parser.parse_args(arguments)
    photos = network_input(some(find_photos(), options.photos))
    print(report.table(measure(photos), right=range(1, 4)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
