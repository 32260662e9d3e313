"""Small compressed files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sqznet.compression.encoding import Coded, encode
from sqznet.network.variants import Wiring
from sqznet.weights import metadata

from . import networks
from .quantizable import PIXELS


def coded(made: Mapping[str, Any], bits: int = 4) -> list[Coded]:
    """The convolutions of float tensors, each weight rounded to the nearest integer."""
    found = []
    for name in [name.removesuffix(".weight") for name in made if name.endswith(".weight")]:
        weight = made[f"{name}.weight"]
        flat = weight.reshape(len(weight), -1)
        spread = np.log2(np.abs(flat).mean(axis=1))
        rows = np.rint(2 * spread).astype(np.int32) - 2 * (bits - 2)
        columns = np.arange(flat.shape[1], dtype=np.int32) % 3 - 1
        steps = np.exp2((rows[:, None] + columns) / 2)
        integers = np.rint(flat / steps).astype(np.int32)
        bias = made[f"{name}.bias"].astype(np.float16)
        found.append(Coded(name, weight.shape, integers, rows, columns, bias))
    return found


def compressed_file(
    base: str = "squeezenet1_1", bypass: str = "", classes: int = 7, **stated: Any
) -> bytes:
    """A compressed network of few channels."""
    variant = base + (f"_{bypass}_bypass" if bypass else "")
    entries = metadata.dump(variant, PIXELS, stated.get("labels"), stated.get("wiring", Wiring()))
    return encode(coded(networks.tensors(base, classes, bypass)), entries)
