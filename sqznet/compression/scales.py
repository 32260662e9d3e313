"""The scales of a network's maps, with which a compressed file is computed in 8-bit integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqznet.calibration.quantizing import (
    CALIBRATED,
    calibrated,
    evenly,
    float_tensors,
    levels_of,
)
from sqznet.compression.maps import Floats
from sqznet.engine.pipeline import Pipeline
from sqznet.weights.integers import integers_text


def scales_text(model: Pipeline, photos: Sequence[Floats], advance: Callable[[], None]) -> str:
    """For the metadata. ``photos``: inputs (1, H, W, 3). ``advance`` is called once for every
    convolution.

    The maps of the network with other weights are hardly different, so these scales fit them, too.
    """
    levels = [levels_of(x, model.preprocessing) for x in evenly(photos, CALIBRATED)]
    found = calibrated(model, float_tensors(model.checkpoint), levels, True, advance)
    return integers_text(found.integers.without_weights())
