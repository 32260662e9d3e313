"""Small SqueezeNets with random weights, as tensors, networks and files."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sqznet import _kernels
from sqznet.engine.executor import Executor
from sqznet.network import layers, variants
from sqznet.weights import RawTensor

Array = Any

#: Channels of fire2 to fire9: squeeze, expand 1x1, expand 3x3. The counts are odd, and equal where
#: a simple bypass needs it.
FIRES = ((3, 5, 4), (2, 4, 5), (3, 7, 9), (5, 9, 7), (4, 6, 9), (3, 8, 7), (5, 9, 10), (6, 10, 9))
STEM_CHANNELS = 6


def tensors(
    base: str = "squeezenet1_1", classes: int = 7, bypass: str = "", seed: int = 0
) -> dict[str, Array]:
    """float32 by torchvision's names; `bypass` is "", "simple" or "complex"."""
    rng = np.random.default_rng(seed)
    made: dict[str, Array] = {}

    def conv(name: str, out: int, cin: int, kernel: int) -> None:
        scale = (2.0 / (cin * kernel * kernel)) ** 0.5
        weight = rng.normal(0, scale, (out, cin, kernel, kernel))
        made[f"{name}.weight"] = weight.astype(np.float32)
        made[f"{name}.bias"] = rng.normal(0.1, 0.1, out).astype(np.float32)

    topology = variants.TOPOLOGIES[base]
    conv("features.0", STEM_CHANNELS, 3, topology.kernel)
    channels = STEM_CHANNELS
    for i, position in enumerate(topology.fires):
        squeeze, e1, e3 = FIRES[i]
        name = f"features.{position}"
        conv(f"{name}.squeeze", squeeze, channels, 1)
        conv(f"{name}.expand1x1", e1, squeeze, 1)
        conv(f"{name}.expand3x3", e3, squeeze, 3)
        if bypass == "complex" and i not in variants.SIMPLE_BYPASS:
            conv(f"{name}.bypass", e1 + e3, channels, 1)
        channels = e1 + e3
    conv("classifier.1", classes, channels, 1)
    # The last biases are all positive, because ReLU could otherwise hide whole classes.
    made["classifier.1.bias"] = np.abs(made["classifier.1.bias"]) + np.float32(0.5)
    return made


def network(
    made: Mapping[str, Array], variant: str | None = None, wiring: variants.Wiring | None = None
) -> layers.Network:
    shapes = {name: array.shape for name, array in made.items()}
    return variants.network_for(shapes, variant, wiring=wiring or variants.Wiring())


def raw(made: Mapping[str, Array]) -> dict[str, RawTensor]:
    return {
        name: RawTensor("float32", array.shape, memoryview(array.tobytes()))
        for name, array in made.items()
    }


def executor(
    net: layers.Network,
    made: Mapping[str, Array],
    isa: str = "scalar",
    threads: int = 1,
) -> Executor:
    pool = _kernels.ThreadPool(threads)
    return Executor(net, raw(made), _kernels.kernels_named(isa), pool)


def run(ready: Executor, x: Array) -> Array:
    """Logits (N, classes) of one batch, all images in one workspace."""
    n, _, height, width = x.shape
    workspace = ready.acquire(n, height, width)
    try:
        _kernels.import_nchw(ready.pool, x, workspace.input)
        workspace.run()
        return np.asarray(workspace.outputs["logits"])[:, 0, 0].copy()
    finally:
        ready.release(workspace)


def save(path: Path, made: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> Path:
    """A .safetensors file of float32 tensors."""
    path.write_bytes(safetensors(made, metadata))
    return path


def safetensors(made: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of such a file."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at, chunks = 0, []
    for name, array in made.items():
        data = np.ascontiguousarray(array, "<f4").tobytes()
        offsets = [at, at + len(data)]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        at += len(data)
        chunks.append(data)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(chunks)


def inputs(seed: int, n: int, height: int, width: int) -> Array:
    """Preprocessed input with about the magnitude of photos."""
    return np.random.default_rng(seed).normal(0, 60, (n, 3, height, width)).astype(np.float32)


def photo(seed: int = 0, height: int = 60, width: int = 80) -> Array:
    """uint8 H x W x 3: a coarse pattern that survives resizing."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
    return coarse.repeat(height // 6, axis=0).repeat(width // 8, axis=1)
