"""The detector of a server, and what the server's threads do with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqznet.boxes import Detection
from sqznet.detection.detector import Detector
from sqznet.images.pixels import Pixels
from sqznet.serving.photos import decoded, each


class Search(NamedTuple):
    """A photo file of a client, the lowest score of an answer, and how many it wants."""

    photo: bytes
    threshold: float
    top: int


class Sought:
    """A detector. ``detect`` is a task of a `Batcher`; a photo has at most ``pixels`` pixels."""

    def __init__(self, detector: Detector, pixels: int) -> None:
        self._detector, self._most = detector, pixels
        self._single = detector.alone()

    def detect(self, searches: Sequence[Search], others: bool) -> list[Any]:
        """What is on each photo and where, with the photo's size, or its error."""
        detector = self._single if others else self._detector

        def found(search: Search) -> dict[str, Any]:
            photo = decoded(detector, search.photo, self._most)
            return _shown(photo, detector.detect(photo, search.threshold, search.top))

        return each(found, searches)


def _shown(photo: Pixels, detections: Iterable[Detection]) -> dict[str, Any]:
    return {
        "detections": [
            {
                "label": found.label,
                "score": found.score,
                "index": found.index,
                "box": list(found.box[:4]),
            }
            for found in detections
        ],
        "width": photo.width,
        "height": photo.height,
    }
