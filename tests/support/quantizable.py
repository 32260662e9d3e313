"""Small networks to quantize, and photos for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqznet
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.variants import Wiring
from sqznet.weights import metadata

from . import networks

PIXELS = Preprocessing(64, "squash", "bgr", (104.0, 117.0, 123.0), (58.0, 57.0, 57.5))


def small_file(
    path: Path,
    base: str = "squeezenet1_1",
    bypass: str = "",
    wiring: Wiring | None = None,
    more: Mapping[str, str] | None = None,
) -> Path:
    """A float32 file of a network with few channels that reads 64 x 64 pixels."""
    variant = base + (f"_{bypass}_bypass" if bypass else "")
    stated = metadata.dump(variant, PIXELS, None, wiring or Wiring())
    made = networks.tensors(base, bypass=bypass)
    return networks.save(path, made, {**stated, **(more or {})})


def small_model(path: Path, *args: Any) -> sqznet.Model:
    model: sqznet.Model = sqznet.load(small_file(path, *args), threads=1)
    return model


def some_photos(count: int = 8) -> list[Any]:
    return [networks.photo(seed) for seed in range(count)]
