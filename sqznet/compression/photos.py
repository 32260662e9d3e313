"""The inputs of a network that its weights are rounded with: whole photos, and crops of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from sqznet.compression.maps import Floats
from sqznet.engine.pipeline import Pipeline
from sqznet.errors import ImageError
from sqznet.images.frame import Frame

# The memory for one map of all inputs, in the network as it is and in the rounded one. The largest
# map that is kept comes after the first pool.
_MEMORY = 800 << 20

# The share of a photo's area that a crop has; half of them are mirrored. More crops of each photo
# make the result no better.
_AREA = (0.5, 1.0)
_MOST_CROPS = 1


def crops_for(model: Pipeline, photos: int) -> int:
    """How many crops of each photo there is memory for."""
    shapes = model.executor.network.shapes(*model.preprocessing.size)
    height, width, channels = shapes[1]
    room = _MEMORY // (height * width * channels * 8)
    return max(0, min(_MOST_CROPS, room // max(1, photos) - 1))


def inputs(
    model: Pipeline,
    images: Sequence[Any],
    crops: int,
    report: Callable[[ImageError], None] | None,
) -> Iterator[list[Floats]]:
    """For each image the inputs (1, H, W, 3): whole, then so many random crops; the same every
    time. An image that cannot be read is reported and left out, or its error is raised."""
    random = np.random.default_rng(0)
    for image in images:
        try:
            pixels = Frame.of(model.decode(image)).to_rgb()
            parts = [pixels, *(_crop(pixels, random) for _ in range(crops))]
            yield [_laid_out(model.preprocess(part)) for part in parts]
        except ImageError as error:
            if report is None:
                raise
            report(error)
            yield []


def _laid_out(x: Any) -> Floats:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def _crop(pixels: Any, random: np.random.Generator) -> Any:
    share = random.uniform(*_AREA) ** 0.5
    sides = [max(1, int(side * share)) for side in pixels.shape[:2]]
    y, x = (random.integers(0, s - p + 1) for s, p in zip(pixels.shape, sides, strict=False))
    part = pixels[y : y + sides[0], x : x + sides[1]]
    return np.ascontiguousarray(part[:, ::-1] if random.random() < 0.5 else part)
