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
        self.detector, self._most = detector, pixels

    def detect(self, searches: Sequence[Search]) -> list[Any]:
        """What is on each photo and where, with the photo's size, or its error.

        Higher scores are found in the same way whatever the threshold is, so one pass with the
        lowest serves all.
        """
        threshold = min(search.threshold for search in searches)
        top = max(search.top for search in searches)

        def found(photos: list[Pixels]) -> Iterable[tuple[Pixels, list[Detection]]]:
            return zip(photos, self.detector.detect(photos, threshold, top), strict=True)

        answers = each(lambda search: self._decode(search.photo), searches, found)
        return [
            answer if isinstance(answer, Exception) else _shown(search, *answer)
            for search, answer in zip(searches, answers, strict=True)
        ]

    def _decode(self, photo: bytes) -> Pixels:
        return decoded(self.detector, photo, self._most)


def _shown(search: Search, photo: Pixels, detections: list[Detection]) -> dict[str, Any]:
    kept = [found for found in detections if found.score >= search.threshold][: search.top]
    return {
        "detections": [
            {
                "label": found.label,
                "score": found.score,
                "index": found.index,
                "box": list(found.box[:4]),
            }
            for found in kept
        ],
        "width": photo.width,
        "height": photo.height,
    }
