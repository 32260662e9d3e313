#!/usr/bin/env python3
"""Writes tests/golden/logits.npz: logits of the float64 reference for integer-generated inputs.

Inputs, and the weights of the small networks, come from `splitmix64`, so that nobody needs to
store them and every platform makes the same ones. The bundled weights are those of the package.

    python tools/make_golden.py            # write the file
    python tools/make_golden.py --check    # compute everything and compare with it
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sqznet import weights
from sqznet.network import reference, variants

PATH = Path(__file__).resolve().parents[1] / "tests" / "golden" / "logits.npz"
Array = Any

#: (seed, images, height, width) for the bundled weights.
BUNDLED = ((1, 2, 224, 224), (2, 1, 227, 227), (3, 1, 97, 131), (4, 3, 17, 17), (5, 1, 18, 64))
#: (seed, variant, images, height, width) for small networks.
SMALL = (
    (11, "squeezenet1_0", 2, 61, 75),
    (12, "squeezenet1_0_simple_bypass", 1, 50, 50),
    (13, "squeezenet1_0_complex_bypass", 1, 21, 21),
    (14, "squeezenet1_1", 2, 61, 75),
    (15, "squeezenet1_1_simple_bypass", 1, 50, 50),
    (16, "squeezenet1_1_complex_bypass", 1, 17, 40),
)
SMALL_CLASSES = 23
# Channels as published, divided by four.
FIRES = [(4, 16, 16)] * 2 + [(8, 32, 32)] * 2 + [(12, 48, 48)] * 2 + [(16, 64, 64)] * 2
STEMS = {"squeezenet1_0": 24, "squeezenet1_1": 16}


def splitmix64(seed: int, count: int) -> Array:
    """`count` float64 in [-1, 1), multiples of 2^-23 and so exact in float32.

    The generator is Steele, Lea and Flood's SplittableRandom (OOPSLA 2014).
    """
    index = np.arange(1, count + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.uint64(seed << 32) + index * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1.0


def make_input(seed: int, n: int, height: int, width: int) -> Array:
    """float32 (n, 3, height, width) in -128..128: a coarse pattern under fine noise."""
    noise = splitmix64(seed, n * 3 * height * width).reshape(n, 3, height, width)
    coarse = splitmix64(seed + 1000, n * 3 * 8 * 8).reshape(n, 3, 8, 8)
    rows, columns = np.arange(height) * 8 // height, np.arange(width) * 8 // width
    return (96.0 * coarse[:, :, rows][..., columns] + 32.0 * noise).astype(np.float32)


def small_tensors(seed: int, variant: str) -> dict[str, Array]:
    base = variant[: len("squeezenet1_x")]
    topology = variants.TOPOLOGIES[base]
    made: dict[str, Array] = {}

    def conv(name: str, out: int, cin: int, kernel: int) -> None:
        nonlocal seed
        seed += 10_000
        drawn = splitmix64(seed, out * cin * kernel * kernel + out)
        scale = (6.0 / (cin * kernel * kernel)) ** 0.5
        weight = (drawn[:-out] * scale).reshape(out, cin, kernel, kernel)
        made[f"{name}.weight"] = weight.astype(np.float32)
        made[f"{name}.bias"] = (drawn[-out:] * 0.25 + 0.25).astype(np.float32)

    channels = STEMS[base]
    conv("features.0", channels, 3, topology.kernel)
    for i, (position, (squeeze, e1, e3)) in enumerate(zip(topology.fires, FIRES, strict=True)):
        name = f"features.{position}"
        conv(f"{name}.squeeze", squeeze, channels, 1)
        conv(f"{name}.expand1x1", e1, squeeze, 1)
        conv(f"{name}.expand3x3", e3, squeeze, 3)
        if variant.endswith("complex_bypass") and i not in variants.SIMPLE_BYPASS:
            conv(f"{name}.bypass", e1 + e3, channels, 1)
        channels = e1 + e3
    conv("classifier.1", SMALL_CLASSES, channels, 1)
    return made


def bundled_tensors() -> dict[str, Array]:
    dtypes = {"float16": "<f2", "float32": "<f4"}
    return {
        name: np.frombuffer(raw.data, dtypes[raw.dtype]).reshape(raw.shape).astype(np.float64)
        for name, raw in weights.bundled().tensors.items()
    }


def logits(tensors: dict[str, Array], variant: str, x: Array) -> Array:
    network = variants.network_for({name: t.shape for name, t in tensors.items()}, variant)
    return reference.forward(network, tensors, x)


def cases() -> Iterator[tuple[str, Array]]:
    """Name in the file, and logits (N, classes) in float64."""
    tensors = bundled_tensors()
    for seed, n, height, width in BUNDLED:
        yield (
            f"bundled.{seed}",
            logits(tensors, "squeezenet1_1", make_input(seed, n, height, width)),
        )
    for seed, variant, n, height, width in SMALL:
        x = make_input(seed, n, height, width)
        yield f"small.{seed}", logits(small_tensors(seed, variant), variant, x)


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    made = dict(cases())
    if not arguments:
        np.savez_compressed(PATH, **made)
        print(f"{PATH}: {PATH.stat().st_size} bytes, {len(made)} cases")
        return 0
    with np.load(PATH) as stored:
        same = set(stored.files) == set(made) and all(
            np.allclose(stored[name], made[name], rtol=1e-9, atol=1e-9) for name in made
        )
    print("the golden file is as the reference makes it" if same else "the golden file DIFFERS")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
