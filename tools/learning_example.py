"""Draws docs/learning.png: the confusion matrix for crops of the two example photos.

python tools/learning_example.py
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from PIL import Image

import sqznet
from sqznet.insight.confusion import draw
from sqznet.insight.evaluation import evaluate
from sqznet.learning.folder import classes_in

ROOT = Path(__file__).resolve().parents[1]

#: The place of each class in an example photo: columns x0 to x1 and rows y0 to y1.
PLACES = {
    "cat": ("chelsea.jpg", (90, 20, 330, 290)),
    "coffee": ("coffee.jpg", (130, 40, 480, 330)),
    "spoon": ("coffee.jpg", (350, 90, 560, 330)),
    "table": ("coffee.jpg", (0, 250, 600, 400)),
}
SHOWN, ASKED = 8, 20


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label in PLACES:
            crops = crops_of(label, SHOWN + ASKED)
            if label != "table":
                save(folder / "shown" / label, crops[:SHOWN])
            save(folder / "asked" / label, crops[SHOWN:])
        taught = sqznet.learn(folder / "shown")
        taught.save(folder / "example.sqz")
        classes = classes_in(folder / "asked", print)
        model = sqznet.load(folder / "example.sqz")
        evaluation = evaluate(model, classes, lambda result: None)
    draw(evaluation).save(ROOT / "docs" / "learning.png", optimize=True)
    print(
        f"{evaluation.correct} of {evaluation.total} correct, unknown: {evaluation.found_unknown()}"
    )


def crops_of(label: str, count: int) -> list[Image.Image]:
    """Random crops of the place of a class, with two thirds to nine tenths of its sides."""
    rng = random.Random(label)
    file, (x0, y0, x1, y1) = PLACES[label]
    photo = Image.open(ROOT / "examples" / file).convert("RGB")
    made = []
    for _ in range(count):
        share = rng.uniform(0.66, 0.9)
        width, height = share * (x1 - x0), share * (y1 - y0)
        left = rng.uniform(x0, x1 - width)
        top = rng.uniform(y0, y1 - height)
        middle = left + width / 2, top + height / 2
        turned = photo.rotate(rng.uniform(-12, 12), center=middle)
        made.append(turned.crop((left, top, left + width, top + height)))
    return made


def save(folder: Path, pictures: list[Image.Image]) -> None:
    folder.mkdir(parents=True)
    for index, picture in enumerate(pictures):
        picture.save(folder / f"{index:02}.png")


if __name__ == "__main__":
    main()
