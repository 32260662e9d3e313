"""Recognizer files, made without any image."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from sqznet.images.preprocessing import PRESETS
from sqznet.learning import storage
from sqznet.learning.backbone import Backbone
from sqznet.learning.examples import Examples
from sqznet.learning.features import LENGTH
from sqznet.network.variants import Wiring

BACKBONE = Backbone("net.pth", "0123456789abcdef" * 4, "squeezenet1_1", PRESETS["keras"], Wiring())


def examples(mirrored: bool = True, classes: int = 2, each: int = 2) -> Examples:
    rng = np.random.default_rng(5)
    made = Examples.none(LENGTH)
    for index in range(classes):
        shown = rng.normal(0, 1, (2, each, LENGTH)).astype(np.float32)
        made = made.with_class(f"class {index}", shown[0], shown[1] if mirrored else None)
    return made


def small() -> bytes:
    return storage.encode(examples(), None, BACKBONE)


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the rest."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: dict[str, Any], body: bytes) -> bytes:
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    return len(text).to_bytes(8, "little") + text + body
