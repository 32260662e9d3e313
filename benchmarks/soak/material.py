"""Small files of every kind that sqznet reads: weights, recognizers, photos."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

import sqznet
from sqznet.network import variants

CLASSES = 5
PHOTOS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "ICO")
WEIGHTS = ("safetensors", "npz", "pth", "onnx")


def network(seed: int = 0) -> dict[str, Any]:
    """Random weights of a SqueezeNet 1.1 with an eighth of its channels."""
    chance = np.random.default_rng(seed)
    made: dict[str, Any] = {}

    def conv(name: str, out: int, cin: int, kernel: int) -> None:
        shape = (out, cin, kernel, kernel)
        made[f"{name}.weight"] = chance.normal(0, 1 / (cin * kernel), shape).astype(np.float32)
        made[f"{name}.bias"] = np.abs(chance.normal(0, 0.1, out)).astype(np.float32)

    conv("features.0", 8, 3, 3)
    channels = 8
    for position, squeeze, expand in zip(
        variants.TOPOLOGIES["squeezenet1_1"].fires,
        (2, 2, 4, 4, 6, 6, 8, 8),
        (8, 8, 16, 16, 24, 24, 32, 32),
        strict=True,
    ):
        conv(f"features.{position}.squeeze", squeeze, channels, 1)
        conv(f"features.{position}.expand1x1", expand, squeeze, 1)
        conv(f"features.{position}.expand3x3", expand, squeeze, 3)
        channels = 2 * expand
    conv("classifier.1", CLASSES, channels, 1)
    return made


def write_weights(folder: Path, seed: int = 0) -> list[Path]:
    """A file of the network in each format that sqznet writes."""
    first = folder / f"small{seed}.npz"
    np.savez(first, **network(seed))
    paths = [folder / f"small{seed}.{suffix}" for suffix in WEIGHTS if suffix != "npz"]
    for path in paths:
        sqznet.convert(first, path)
    return [first, *paths]


def photo(seed: int) -> Any:
    """uint8 (H, W, 3): noise of 8 x 8 blocks."""
    chance = np.random.default_rng(seed)
    blocks = chance.integers(0, 256, (9 + seed % 5, 12 + seed % 7, 3), np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


def encoded(seed: int, format_name: str) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(photo(seed)).save(stream, format_name)
    return stream.getvalue()
