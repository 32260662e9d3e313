"""Detectors whose answers are known, and boxes for them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from sqznet.boxes import Box, Detection
from sqznet.detection.matching import TrueBox
from sqznet.detection.true_photo import TruePhoto
from sqznet.images.finding import Found

LABELS = ("cat", "dog")


def detection(label: str, score: float, *sides: float) -> Detection:
    x0, y0, x1, y1 = sides
    return Detection(label, score, LABELS.index(label), Box(x0, y0, x1, y1, label, score))


class KnownDetector:
    """Gives, for a photo of each width, the detections that it was made with."""

    labels = LABELS
    threads = 1

    def __init__(self, answers: Mapping[int, Sequence[Detection]]) -> None:
        self._answers = answers

    def alone(self) -> KnownDetector:
        return self

    def detect(self, image: Any, threshold: float, top: int) -> list[Detection]:
        found = self._answers.get(image.width, ())
        return [one for one in found if one.score >= threshold][:top]


def true_photo(width: int, boxes: Sequence[TrueBox], in_parts: bool = False) -> TruePhoto:
    """A photo of this width and 200 rows."""
    content = io.BytesIO()
    Image.new("RGB", (width, 200)).save(content, "PNG")
    return TruePhoto(Found(f"{width}.png", content=content.getvalue()), boxes, in_parts)
