"""Names what is in each box by a classifier or a recognizer: "dog: beagle"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqznet.boxes import Box, Detection
from sqznet.errors import SqznetError
from sqznet.images.frame import Frame

if TYPE_CHECKING:
    from sqznet.images.pixels import Pixels

#: What a crop has around the box, in parts of its width and height on each side.
MARGIN = 0.1


def checked_classifier(model: Any) -> Any:
    """The model, or None. Raises SqznetError if it cannot classify."""
    if model is None or callable(getattr(model, "classify", None)):
        return model
    raise SqznetError(
        f"classify is a {type(model).__name__}, expected a model that sqznet.load or sqznet.learn "
        "gives"
    )


def named(
    model: Any, photos: Sequence[Pixels], found: Sequence[Sequence[Detection]]
) -> list[list[Detection]]:
    """The detections on each photo, with the model's best answer for each behind its label.

    All boxes are cut out with a margin and classified together. Score and index stay those of the
    detector. Raises SqznetError as ``model.classify`` does.
    """
    crops = [
        crop
        for photo, detections in zip(photos, found, strict=True)
        for crop in (_crops(photo, detections) if detections else ())
    ]
    answers = iter(model.classify(crops, 1) if crops else ())
    return [[_renamed(one, next(answers)[0].label) for one in detections] for detections in found]


def _crops(photo: Pixels, detections: Sequence[Detection]) -> list[Any]:
    """What is in each box, uint8 (H, W, 3), with its margin as far as the photo goes."""
    rgb = Frame.of(photo).to_rgb()
    height, width = photo.whole
    down, across = photo.height / height, photo.width / width  # less than 1 after fast_decode
    cut = []
    for detection in detections:
        x0, x1 = _span(detection.box.x0 * across, detection.box.x1 * across, photo.width)
        y0, y1 = _span(detection.box.y0 * down, detection.box.y1 * down, photo.height)
        cut.append(rgb[y0:y1, x0:x1])
    return cut


def _span(start: float, end: float, size: int) -> tuple[int, int]:
    """Whole pixels of a side of a box with its margin; at least one of the ``size`` pixels."""
    margin = MARGIN * (end - start)
    first = min(max(0, math.floor(start - margin)), size - 1)
    return first, max(first + 1, min(size, math.ceil(end + margin)))


def _renamed(detection: Detection, name: str) -> Detection:
    label = f"{detection.label}: {name}"
    return Detection(
        label, detection.score, detection.index, Box(*detection.box[:4], label, detection.score)
    )
