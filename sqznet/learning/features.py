"""The features of an image for the learner: 3456 numbers from three layers of the network.

The feature maps of three fire modules are pooled over a 3 x 3 grid of soft windows (one level of a
spatial pyramid: Lazebnik, Schmid and Ponce, CVPR 2006). The pooled values are divided by their sum
and square-rooted, so that their dot products are Hellinger kernels (Arandjelovic and Zisserman,
"Three things everyone should know to improve object retrieval", CVPR 2012; the Bhattacharyya
coefficient). A random sketch, which nearly preserves angles, then makes them shorter: random signs
and some rows of a Hadamard matrix (Tropp, "Improved analysis of the subsampled randomized Hadamard
transform", arXiv:1011.1595).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sqznet.images.pixels import Pixels

if TYPE_CHECKING:
    from sqznet.engine.pipeline import Pipeline

Floats = npt.NDArray[np.float32]

GRID = 3
_CELLS = GRID * GRID

# The standard deviation of a window, in cells of the grid.
_WINDOW = 0.4

#: How many numbers the sketch keeps of each grid cell, by layer.
LAYERS: Mapping[str, int] = {"fire5": 96, "fire7": 96, "fire9": 192}

#: The length of a description.
LENGTH = _CELLS * sum(LAYERS.values())


def describe(model: Pipeline, images: Sequence[Pixels]) -> Floats:
    """float32 (N, LENGTH): the description of each image, a row of unit length."""
    rows = np.empty((len(images), LENGTH), np.float32)
    maps = model.feature_maps(images, tuple(LAYERS))
    for row, seen in zip(rows, maps, strict=True):
        row[:] = described(seen)
    return rows


def described(maps: Mapping[str, Floats]) -> Floats:
    """The description of one image from its feature maps (H, W, C): float32 (LENGTH,)."""
    return _joined({name: _pooled(maps[name]) for name in LAYERS})


def covered(maps: Mapping[str, Floats], height: int, width: int) -> Floats:
    """float32 (height * width, LENGTH): descriptions of an image without one place of a grid each.

    What the maps hold there is taken away before they are pooled, under a Gaussian window whose
    standard deviation is a cell of the grid. ``maps``: the feature maps of LAYERS, (H, W, C) each.
    """
    rows = np.empty((height * width, LENGTH), np.float32)
    pooled = {name: _pooled(maps[name]) for name in LAYERS}
    hidden = {name: _hidden(maps[name], height, width) for name in LAYERS}
    for place, row in enumerate(rows):
        row[:] = _joined({name: pooled[name] - hidden[name][place] for name in LAYERS})
    return rows


def mirror_image(pixels: Pixels) -> Pixels:
    """The image flipped left to right; a view wherever possible."""
    shape = pixels.height, pixels.width, pixels.channels
    if pixels.bgr or type(pixels) is not Pixels:  # a camera frame
        from sqznet.images.frame import Frame

        shape = pixels.height, pixels.width, 3
        upright = Frame.of(pixels).to_rgb()
    else:
        # An older Pillow decodes to bytes, which NumPy takes as a single item.
        upright = np.asarray(memoryview(pixels.data)).reshape(shape)
    return Pixels(upright[:, ::-1], *shape)


def _joined(pooled: Mapping[str, Floats]) -> Floats:
    """The description of one image from its pooled maps (cells, channels)."""
    joined = np.concatenate(
        [_sketched(pooled[name], kept).ravel() for name, kept in LAYERS.items()]
    )
    length = float(np.sqrt(joined @ joined))
    description: Floats = joined / np.float32(max(length, 1e-12))
    return description


# None of these products uses NumPy's matrix product: it wakes all BLAS threads for each image,
# which takes many times as long as the work itself on busy cores.


def _pooled(seen: Floats) -> Floats:
    """(cells, channels): the averages of a map (H, W, C) in the windows."""
    height, width, channels = seen.shape
    rows = np.einsum("gh,hx->gx", _windows(height), seen.reshape(height, -1))
    pooled = np.einsum("gw,hwc->hgc", _windows(width), rows.reshape(GRID, width, channels))
    cells: Floats = pooled.reshape(_CELLS, channels)
    return cells


def _hidden(seen: Floats, height: int, width: int) -> Floats:
    """(height * width, cells, channels): what each place of a grid adds to `_pooled`."""
    tall, wide, channels = seen.shape
    down, across = _shades(tall, height), _shades(wide, width)
    rows = np.einsum("yh,hwc->ywc", down.reshape(-1, tall), seen)
    both = np.einsum("xw,ywc->yxc", across.reshape(-1, wide), rows)
    split = both.reshape(height, GRID, width, GRID, channels).swapaxes(1, 2)
    hidden: Floats = split.reshape(height * width, _CELLS, channels)
    return hidden


def _shades(side: int, places: int) -> Floats:
    """(places, GRID, side): the part of each window of `_windows` that a place covers."""
    centers = (np.arange(places) + 0.5) / places
    positions = (np.arange(side) + 0.5) / side
    shades = np.exp(-0.5 * ((positions - centers[:, None]) * places) ** 2).astype(np.float32)
    product: Floats = shades[:, None] * _windows(side)
    return product


def _sketched(pooled: Floats, kept: int) -> Floats:
    """(cells, kept): the sketch of a pooled map (cells, channels)."""
    channels = pooled.shape[1]
    pooled = np.maximum(pooled, 0)  # bypass outputs may be negative
    pooled /= max(float(pooled.sum()), 1e-12)
    signs, rows_kept, order = _sketch(channels, kept)
    roots = np.zeros((_CELLS, order), np.float32)
    roots[:, :channels] = np.sqrt(pooled) * signs
    _transform(roots)
    sketch: Floats = roots[:, rows_kept] / np.sqrt(np.float32(kept))
    return sketch


@cache
def _windows(side: int) -> Floats:
    """(GRID, side): the weight of each position in each window; each row sums to one."""
    centers = (np.arange(GRID) + 0.5) / GRID
    cells = (np.arange(side) + 0.5) / side
    weights = np.exp(-0.5 * ((cells - centers[:, None]) * GRID / _WINDOW) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)


@cache
def _sketch(channels: int, kept: int) -> tuple[Floats, npt.NDArray[np.intp], int]:
    """Signs (cells, channels), +1 or -1; the rows of the transform to keep; the transform's order.

    They are drawn from raw PCG64 bits: NumPy promises never to change that stream (NEP 19).
    """
    draw = np.random.PCG64(channels).random_raw
    signs = (draw(_CELLS * channels) >> np.uint64(63)).astype(np.float32) * 2 - 1
    order = 1 << (max(channels, kept) - 1).bit_length()
    rows = np.argsort(draw(order), kind="stable")[:kept]
    return signs.reshape(_CELLS, channels), rows, order


def _transform(values: Floats) -> None:
    """The Walsh-Hadamard transform of each row, in place; the row length is a power of two."""
    half = values.shape[1] // 2
    while half:
        pairs = values.reshape(len(values), -1, 2, half)
        difference = pairs[:, :, 0] - pairs[:, :, 1]
        pairs[:, :, 0] += pairs[:, :, 1]
        pairs[:, :, 1] = difference
        half //= 2
