"""Draws the pictures of docs/training.md: the report of a small training.

python tools/training_example.py

The classes are the four photos of examples/, and the photos small pieces of them, in gray.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

from PIL import Image

import sqznet

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ("astronaut", "cameraman", "chelsea", "coffee")
PICTURES = ("calibration.png", "confusion.png", "curves.png", "hardest.jpg")
COUNT, EPOCHS = 50, 8
SIDES = (48, 80)  # of a piece, in pixels


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for photo in PHOTOS:
            save_pieces(photo, folder / "pieces" / photo)
        done = sqznet.train(
            folder / "pieces", folder / "pieces.safetensors", epochs=EPOCHS, device="cpu"
        )
        assert done.report is not None
        for picture in PICTURES:
            shutil.copy(Path(done.report).with_name(picture), ROOT / "docs" / f"training-{picture}")
    print(f"accuracy {done.accuracy:.3f} on {done.validated} photos, {done.seconds:.0f} s")


def save_pieces(photo: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    rng = random.Random(photo)
    whole = Image.open(ROOT / "examples" / f"{photo}.jpg").convert("L")
    for number in range(COUNT):
        side = rng.randint(*SIDES)
        left, top = (rng.randint(0, length - side) for length in whole.size)
        whole.crop((left, top, left + side, top + side)).save(folder / f"{number:02}.png")


if __name__ == "__main__":
    main()
