"""Draws docs/detection.jpg: photos of examples/ with the boxes of the bundled detector.

python tools/detection_example.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

import sqznet
from sqznet.detection.drawing import draw

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ("astronaut", "cameraman", "chelsea", "dog")
HEIGHT, GAP = 300, 12


def main() -> None:
    detector = sqznet.load_detector()
    drawn = []
    for name in PHOTOS:
        photo = Image.open(ROOT / "examples" / f"{name}.jpg").convert("RGB")
        photo = photo.resize(
            (round(photo.width * HEIGHT / photo.height), HEIGHT), Image.Resampling.LANCZOS
        )
        drawn.append(draw(photo, detector.detect(photo)))
    width = sum(photo.width for photo in drawn) + GAP * (len(drawn) - 1)
    canvas = Image.new("RGB", (width, HEIGHT), "white")
    left = 0
    for photo in drawn:
        canvas.paste(photo, (left, 0))
        left += photo.width + GAP
    canvas.save(ROOT / "docs" / "detection.jpg", quality=88)


if __name__ == "__main__":
    main()
