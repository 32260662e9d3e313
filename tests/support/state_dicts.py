"""Networks saved as state dicts in files of PyTorch, and the check that one is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sqznet import weights
from sqznet.network.variants import TOPOLOGIES

from . import networks

Array = Any
Arrays = Mapping[str, Array]

MADE = networks.tensors()

STAGES = {"squeezenet1_0": (3, 4, 1), "squeezenet1_1": (2, 2, 4)}


def as_pytorchcv(made: Arrays, base: str) -> dict[str, Array]:
    places = [f"stage{s}.unit{u}" for s, n in enumerate(STAGES[base], 1) for u in range(1, n + 1)]
    named = {}
    for name, array in made.items():
        layer, _, kind = name.rpartition(".")
        if layer == "features.0":
            new = "features.init_block.conv"
        elif layer == "classifier.1":
            new = "output.final_conv"
        else:
            _, number, part = layer.split(".")
            new = f"features.{places[TOPOLOGIES[base].fires.index(int(number))]}.{part}.conv"
        named[f"{new}.{kind}"] = array
    return named


def saved(folder: Path, content: bytes, name: str = "weights.pth") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def assert_reads(path: Path, made: Arrays = MADE, prefix: str | None = None) -> weights.Checkpoint:
    """Asserts that these are the tensors of the network in the file."""
    found = weights.read(path, prefix)
    assert set(found.tensors) == set(made)
    for name, tensor in found.tensors.items():
        values = np.frombuffer(tensor.data, "<f4").reshape(tensor.shape)
        np.testing.assert_allclose(values, made[name], rtol=1e-6, err_msg=name)
    found.network()
    return found


def prefixed(made: Arrays, prefix: str) -> dict[str, Array]:
    return {prefix + name: array for name, array in made.items()}
