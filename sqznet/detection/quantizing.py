"""Quantizes a loaded detector, and measures what that costs on photos kept apart."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sqznet.boxes import Detection
from sqznet.calibration import quantizing
from sqznet.detection.matching import AREAS, OVERLAPS, TrueBox, matched
from sqznet.detection.pipeline import DetectionPipeline
from sqznet.errors import ImageError, SqznetError
from sqznet.images.pixels import Pixels
from sqznet.network.convdet import AnchorDesign
from sqznet.network.layers import Network
from sqznet.weights import Checkpoint

#: An overlap that hardly shows, one of `OVERLAPS`.
CLOSE = 0.9


class QuantizedDetector(NamedTuple):
    """The result of ``Detector.quantize``.

    checkpoint: weights, scales and biases. calibrated, judged: the number of photos for either.
    agreement, close: on the photos that were kept apart, with the default threshold, the share of
    boxes that both networks find: of the same class and with an overlap, intersection over union,
    of at least 0.5, and of at least `CLOSE`. 0 to 1; 1 if neither finds any box.
    """

    checkpoint: Checkpoint
    network: Network
    calibrated: int
    judged: int
    agreement: float
    close: float

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a safetensors file, which ``sqznet.load_detector(path, precision="int8")`` reads.
        An old file is replaced when the new one is complete. Raises OSError if it cannot be
        written."""
        quantizing.save(self.checkpoint, self.network, path)


def quantize(
    detector: DetectionPipeline,
    images: Sequence[Any],
    keep_weights: bool = False,
    advance: Callable[[], None] = lambda: None,
    report: Callable[[ImageError], None] | None = None,
) -> QuantizedDetector:
    """See ``Detector.quantize``. ``advance``, ``report``: see `sqznet.calibration.quantizing`."""
    quantizing.check_count(images)
    if isinstance(detector.design, AnchorDesign):
        raise SqznetError("a SqueezeDet cannot be quantized: its head computes in float32 only")
    exact = with_weights(detector, detector.checkpoint, "float32")
    used, apart = quantizing.divided(len(images))
    read = partial(quantizing.readable, advance=advance, report=report)
    levels = read(partial(quantizing.gray_levels, exact), [images[index] for index in used])
    checkpoint, calibrated = quantizing.with_integers(exact, levels, keep_weights, advance)
    rounded = with_weights(detector, checkpoint, "int8")
    boxes = [
        (_found(exact, pixels), _found(rounded, pixels))
        for pixels in read(exact.decode, [images[index] for index in apart])
    ]
    if not boxes:
        raise SqznetError(quantizing.NONE_APART)
    return QuantizedDetector(
        checkpoint, exact.executor.network, calibrated, len(boxes), *agreements(boxes)
    )


def with_weights(
    detector: DetectionPipeline, checkpoint: Checkpoint, precision: str
) -> DetectionPipeline:
    """A detector like this one, of other weights."""
    return DetectionPipeline(
        checkpoint,
        **detector.asked,
        precision=precision,
        preprocessing=detector.preprocessing,
    )


def _found(detector: DetectionPipeline, pixels: Pixels) -> list[Detection]:
    read = partial(detector.boxes.found, sizes={0: pixels.whole}, ask=detector.ask())
    return detector.passed([pixels], read)[0]


def agreements(pairs: Sequence[tuple[list[Detection], list[Detection]]]) -> tuple[float, float]:
    """The share of boxes that two detectors both find, see `QuantizedDetector`, of the boxes that
    each finds on every photo."""
    count = sum(len(found) for pair in pairs for found in pair)
    if not count:
        return 1.0, 1.0
    agreement, close = map(sum, zip(*(_shared(*pair) for pair in pairs), strict=True))
    return 2 * agreement / count, 2 * close / count


def _shared(first: Sequence[Detection], second: Sequence[Detection]) -> tuple[int, int]:
    """How many boxes are in both: with an overlap of 0.5, and of `CLOSE`."""
    found = np.zeros(len(OVERLAPS), int)
    for label in {detection.label for detection in first}:
        known = [TrueBox(*each.box[:4], label) for each in first if each.label == label]
        ours = [each for each in second if each.label == label]
        found += matched(ours, known, AREAS["all"]).right.sum(axis=1)
    return int(found[0]), int(found[OVERLAPS.index(CLOSE)])
