"""Images of a few classes that a network can tell apart, varied by a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SIDE = 96
KINDS = ("stripes", "checks", "rings", "arrow right", "arrow left")


def picture(kind: str, seed: int) -> Any:
    """uint8 (SIDE, SIDE, 3)."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    y, x = np.mgrid[:SIDE, :SIDE] + rng.uniform(-6, 6, (2, 1, 1))
    period = rng.uniform(11, 14)
    if kind == "stripes":
        shape = np.sin(2 * np.pi * x / period) > 0
    elif kind == "checks":
        shape = (np.sin(2 * np.pi * x / period) > 0) ^ (np.sin(2 * np.pi * y / period) > 0)
    elif kind == "rings":
        shape = np.sin(2 * np.pi * np.hypot(x - SIDE / 2, y - SIDE / 2) / period) > 0
    else:
        if kind == "arrow left":
            x = SIDE - x
        tip = (x > 55) & (abs(y - SIDE / 2) < 85 - x)
        shape = tip | ((abs(y - SIDE / 2) < 6) & (x > 15) & (x < 60))
    dark, light = rng.uniform(0, 70, 3), rng.uniform(180, 250, 3)
    noise = rng.normal(0, 6, (SIDE, SIDE, 3))
    return np.clip(np.where(shape[..., None], light, dark) + noise, 0, 255).astype(np.uint8)


def pictures(kind: str, count: int, first: int = 0) -> list[Any]:
    return [picture(kind, first + i) for i in range(count)]


def write_folder(folder: Path, kinds: tuple[str, ...], count: int, first: int = 0) -> Path:
    """A sub-folder of PNG files for each kind."""
    from PIL import Image

    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for i, made in enumerate(pictures(kind, count, first)):
            Image.fromarray(made).save(folder / kind / f"{i}.png")
    return folder


def quarters(path: Path) -> list[Any]:
    """The four quarters of a photo, uint8 (H, W, 3), and all of it."""
    from PIL import Image

    with Image.open(path) as photo:
        whole = np.asarray(photo.convert("RGB"))
    y, x = whole.shape[0] // 2, whole.shape[1] // 2
    return [whole[:y, :x], whole[:y, x:], whole[y:, :x], whole[y:, x:], whole]
