"""Writes Deep-Compression files by hand."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


def sizes() -> list[tuple[int, int]]:
    """(weights, biases) of the 26 convolutions, from the paper's table."""
    found, channels = [(96 * 3 * 49, 96)], 96
    for squeeze, expand in FIRES:
        found += [(squeeze * channels, squeeze), (expand * squeeze, expand)]
        found.append((expand * squeeze * 9, expand))
        channels = 2 * expand
    return [*found, (1000 * channels, 1000)]


def deep_file(kept: Mapping[int, list[tuple[int, int]]], default: int = 1) -> bytes:
    """A file whose layers keep these (zeros before, code) pairs; others keep `default` codes.

    The value of code n is n / 4 - 1, but 0 for code 0; biases count up from 0.5.
    """
    table = np.arange(256, dtype="<f4") / 4 - 1
    table[0] = 0
    counts, body = [], b""
    for i, (_, biases) in enumerate(sizes()):
        pairs = kept.get(i, [(0, 1 + j % 255) for j in range(default)])
        counts.append(len(pairs))
        body += table.tobytes() + (np.arange(biases, dtype="<f4") + np.float32(0.5)).tobytes()
        body += bytes(code for _, code in pairs)
        gaps = [gap for gap, _ in pairs] + [0] * (len(pairs) % 2)
        body += bytes(low | high << 4 for low, high in zip(gaps[::2], gaps[1::2], strict=True))
    return struct.pack("<26I", *counts) + body
