"""Small photos with things that a detector can learn in seconds, in files of COCO, VOC and YOLO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

#: Their colors tell them apart.
LABELS = ("disc", "square")
_COLORS = {"disc": (230, 60, 40), "square": (40, 90, 230)}

Boxes = list[tuple[str, tuple[int, int, int, int]]]


def photo(rng: np.random.Generator, side: int = 160) -> tuple[Image.Image, Boxes]:
    """A photo with one thing of each class on a noisy ground, and their boxes in pixels."""
    level = rng.integers(80, 180)
    pixels = np.clip(rng.normal(level, 12, (side, side, 3)), 0, 255).astype(np.uint8)
    rows, columns = np.mgrid[:side, :side]
    boxes: Boxes = []
    left = bool(rng.integers(2))
    for label in LABELS:
        size = int(rng.integers(side // 4, side * 3 // 7))
        x = int(rng.integers(0, side // 2 - size)) + side // 2 * left
        y = int(rng.integers(0, side - size))
        left = not left
        middle_x, middle_y = x + (size - 1) / 2, y + (size - 1) / 2
        inside = np.maximum(abs(columns - middle_x), abs(rows - middle_y)) <= size / 2
        if label == "disc":
            inside = np.hypot(columns - middle_x, rows - middle_y) <= size / 2
        pixels[inside] = _COLORS[label]
        boxes.append((label, (x, y, x + size, y + size)))
    return Image.fromarray(pixels), boxes


def write(folder: Path, count: int, seed: int = 0) -> list[Boxes]:
    """Photos 0.png, 1.png, ...; their boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    found = []
    for index in range(count):
        made, boxes = photo(rng)
        made.save(folder / f"{index}.png")
        found.append(boxes)
    return found


def voc(folder: Path, count: int, seed: int = 0) -> Path:
    for index, boxes in enumerate(write(folder, count, seed)):
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin>"
            f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
            for label, (x0, y0, x1, y1) in boxes
        )
        (folder / f"{index}.xml").write_text(f"<annotation>{objects}</annotation>")
    return folder


def yolo(folder: Path, count: int, seed: int = 0, side: int = 160) -> Path:
    for index, boxes in enumerate(write(folder / "images", count, seed)):
        lines = [
            f"{LABELS.index(label)} {(x0 + x1) / 2 / side} {(y0 + y1) / 2 / side} "
            f"{(x1 - x0) / side} {(y1 - y0) / side}\n"
            for label, (x0, y0, x1, y1) in boxes
        ]
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{index}.txt").write_text("".join(lines))
    (folder / "data.yaml").write_text("train: images\nnc: 2\nnames:\n  0: disc\n  1: 'square'\n")
    return folder


def coco(folder: Path, count: int, seed: int = 0, **of_images: Any) -> Path:
    """``of_images``: more fields of each image."""
    every = write(folder, count, seed)
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": 160, "height": 160, **of_images}
            for i in range(count)
        ],
        "categories": [{"id": i, "name": label} for i, label in enumerate(LABELS, 1)],
        "annotations": [
            {
                "image_id": index,
                "category_id": LABELS.index(label) + 1,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
            }
            for index, boxes in enumerate(every)
            for label, (x0, y0, x1, y1) in boxes
        ],
    }
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return path
