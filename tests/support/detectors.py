"""Small detectors with random weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sqznet.images.preprocessing import PRESETS
from sqznet.network import variants
from sqznet.network.detector import POOL, Design, Level
from sqznet.network.layers import Network
from sqznet.weights.detectors import to_json

from . import networks

Array = Any

LABELS = ("ant", "bee", "cow")

DESIGN = Design(
    levels=(
        Level("features.7", (), "head.near", 8, 7.5),
        Level("features.12", (), "head.middle", 16, 15.5),
        Level("features.12", (POOL, "head.deep"), "head.far", 32, 31.5),
    ),
    shared=("head.both",),
    classes="head.cls",
    sides="head.box",
)

_WIDTH = 12  # channels of the levels


def tensors(seed: int = 0, classes: int = len(LABELS)) -> dict[str, Array]:
    """float32, of a SqueezeNet 1.1 and the head of `DESIGN`."""
    rng = np.random.default_rng(seed)
    made = {
        name: array
        for name, array in networks.tensors(seed=seed).items()
        if not name.startswith("classifier.")
    }

    def conv(name: str, out: int, cin: int, kernel: int = 1, bias: float = 0.1) -> None:
        weight = rng.normal(0, (2.0 / (cin * kernel * kernel)) ** 0.5, (out, cin, kernel, kernel))
        made[f"{name}.weight"] = weight.astype(np.float32)
        made[f"{name}.bias"] = rng.normal(bias, 0.1, out).astype(np.float32)

    def fire(name: str, cin: int, squeeze: int, e1: int, e3: int) -> None:
        conv(f"{name}.squeeze", squeeze, cin)
        conv(f"{name}.expand1x1", e1, squeeze)
        conv(f"{name}.expand3x3", e3, squeeze, 3)

    near, last = (sum(networks.FIRES[i][1:]) for i in (3, 7))
    fire("head.deep", last, 5, 7, 6)
    for name, cin in (("near", near), ("middle", last), ("far", 13)):
        conv(f"head.{name}", _WIDTH, cin)
    fire("head.both", _WIDTH, 4, 9, 8)
    # Small weights, so that logits and sides of photos are not all at their limits.
    for name, out, bias in (("cls", classes, -1.5), ("box", 4, 0.5)):
        conv(f"head.{name}", out, 17, bias=bias)
        made[f"head.{name}.weight"] *= np.float32(0.003)
    return made


def network(made: Mapping[str, Array], design: Design = DESIGN) -> Network:
    shapes = {name: array.shape for name, array in made.items()}
    return variants.network_for(shapes, detector=design)


def metadata(size: int = 128, **changes: Any) -> dict[str, str]:
    """The entries of a file; ``changes``: fields of "detector" in place of those of `DESIGN`."""
    pre = PRESETS["squash-bgr"]._replace(size=(size, size))
    return {
        "preprocessing": json.dumps(pre.to_dict()),
        "labels": json.dumps(LABELS),
        "detector": json.dumps({**to_json(DESIGN), **changes}),
    }


def save(path: Path, made: Mapping[str, Array] | None = None, **changes: Any) -> Path:
    made = tensors() if made is None else made
    return networks.save(path, made, metadata(**changes))
