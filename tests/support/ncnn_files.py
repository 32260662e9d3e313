"""Writes small valid or invalid ncnn .param and .bin files by hand, without ncnn."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sqznet.network import reference
from sqznet.network.layers import INPUT, Fire, MaxPool
from sqznet.weights import recognition
from sqznet.weights.recognition import Layer

from . import layer_lists, networks

Array = Any

TYPES = {
    recognition.INPUT: "Input",
    recognition.CONV: "Convolution",
    recognition.RELU: "ReLU",
    recognition.MAX_POOL: "Pooling",
    recognition.AVERAGE: "Pooling",
    recognition.CONCAT: "Concat",
    recognition.ADD: "BinaryOp",
    recognition.SOFTMAX: "Softmax",
    recognition.SAME: "Dropout",
}
STORED = ("float32", "float16", "int8", "table")


#: The scales of what a convolution reads and, if it is rounded too, of what it writes.
Scales = tuple[float, ...]


def parameters(layer: Layer, weights: int, int8: int) -> str:
    """``int8``: the term that says which scales are stored; 0 for floats."""
    if layer.kind == recognition.AVERAGE:
        return "0=1 4=1"
    if layer.kind == recognition.MAX_POOL:
        return f"0=0 1={layer.kernel} 2={layer.stride} 5={0 if layer.ceil_mode else 1}"
    if layer.kind != recognition.CONV:
        return ""
    scales = f" 8={int8}" if int8 else ""
    return (
        f"0={layer.channels} 1={layer.kernel} 3={layer.stride} 4={layer.padding} 5=1 "
        f"6={weights} 9={int(layer.relu)} -23310=1,0.000000e+00{scales}"
    )


def with_splits(layers: Sequence[Layer]) -> list[Layer]:
    """The same network with every blob read only once, as ncnn requires."""
    readers = Counter(blob for layer in layers for blob in layer.inputs)
    taken: Counter[str] = Counter()
    result = []
    for layer in layers:
        inputs = []
        for blob in layer.inputs:
            inputs.append(f"{blob}_{taken[blob]}" if readers[blob] > 1 else blob)
            taken[blob] += 1
        result.append(Layer(**{**vars(layer), "inputs": tuple(inputs)}))
        for blob in layer.outputs:
            if readers[blob] > 1:
                copies = tuple(f"{blob}_{i}" for i in range(readers[blob]))
                result.append(Layer(f"split_{blob}", "Split", (blob,), copies))
    return result


def param(
    made: Mapping[str, Array],
    layers: Sequence[Layer],
    base: str,
    int8: bool = False,
    scales: Mapping[str, Scales] | None = None,
) -> str:
    own = {name: torch for torch, name in layer_lists.caffe_names(base).items()}
    lines = []
    for layer in with_splits(layers):
        weights = made[f"{own[layer.name]}.weight"].size if layer.kind == recognition.CONV else 0
        counts = f"{len(layer.inputs)} {len(layer.outputs)}"
        blobs = " ".join((*layer.inputs, *layer.outputs))
        words = (TYPES.get(layer.kind, layer.kind), layer.name, counts, blobs)
        stored = (scales or {}).get(own.get(layer.name, ""), ())
        term = (102 if len(stored) == 2 else 2) if int8 else 0
        lines.append(" ".join((*words, parameters(layer, weights, term))))
    blobs_in_all = sum(len(layer.outputs) for layer in with_splits(layers))
    return "\n".join(["7767517", f"{len(lines)} {blobs_in_all}", *lines]) + "\n"


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def stored_weight(weight: Array, stored: str) -> bytes:
    """The tag and the numbers of one convolution's weights."""
    if stored == "float32":
        return struct.pack("<I", 0) + weight.astype("<f4").tobytes()
    if stored == "float16":
        return struct.pack("<I", 0x01306B47) + padded(weight.astype("<f2").tobytes())
    if stored == "int8":
        return struct.pack("<I", 0x000D4B38) + padded(integers(weight).tobytes())
    table, codes = chosen(weight)
    return struct.pack("<I", 1) + table.tobytes() + padded(codes.tobytes())


def scales(weight: Array) -> Array:
    """The factor of each output channel that makes it fill 8 bits, as in ncnn's tools."""
    most = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    return (127 / most).astype("<f4")


def integers(weight: Array) -> Array:
    return np.round(weight * scales(weight).reshape(-1, 1, 1, 1)).astype(np.int8)


def chosen(weight: Array) -> tuple[Array, Array]:
    """256 values and, for each weight, the index of its value."""
    table = np.linspace(weight.min(), weight.max(), 256, dtype="<f4")
    codes = np.abs(weight.reshape(-1, 1) - table).argmin(axis=1).astype(np.uint8)
    return table, codes


def expected_weight(weight: Array, stored: str) -> Array:
    """The weights that a reader gets from `stored_weight`, in float64."""
    if stored == "int8":
        return integers(weight) / scales(weight).astype(float).reshape(-1, 1, 1, 1)
    if stored == "table":
        table, codes = chosen(weight)
        return table[codes].reshape(weight.shape).astype(float)
    return weight.astype(stored).astype(float)


def weights(
    made: Mapping[str, Array],
    layers: Sequence[Layer],
    base: str,
    stored: str = "float32",
    around: Mapping[str, Scales] | None = None,
) -> bytes:
    own = {name: torch for torch, name in layer_lists.caffe_names(base).items()}
    data = b""
    for layer in layers:
        if layer.kind == recognition.CONV:
            weight = made[f"{own[layer.name]}.weight"]
            data += stored_weight(weight, stored)
            data += made[f"{own[layer.name]}.bias"].astype("<f4").tobytes()
            if stored == "int8":
                given = (around or {}).get(own[layer.name], (1.0,))
                data += scales(weight).tobytes() + struct.pack(f"<{len(given)}f", *given)
    return data


def save(
    folder: Path,
    made: Mapping[str, Array],
    layers: Sequence[Layer],
    base: str = "squeezenet1_1",
    stored: str = "float32",
    around: Mapping[str, Scales] | None = None,
) -> Path:
    """Writes net.param and net.bin; returns the path of the former. ``around``: the scales of int8
    convolutions, 1 if not given."""
    path = folder / "net.param"
    path.write_text(param(made, layers, base, stored == "int8", around), encoding="utf-8")
    path.with_suffix(".bin").write_bytes(weights(made, layers, base, stored, around))
    return path


def calibrated(made: Mapping[str, Array], x: Array) -> dict[str, Scales]:
    """The scales with which each convolution's input fills 8 bits, for an input (N, 3, H, W)."""
    network = networks.network(made)
    maps = {INPUT: x, **reference.layer_outputs(network, made, x)}
    found: dict[str, Scales] = {}

    def reads(name: str, value: Array) -> None:
        found[name] = (float(127 / np.abs(value).max()),)

    before = INPUT
    for layer in network.layers:
        if isinstance(layer, Fire):
            squeeze = f"{layer.name}.squeeze"
            pair = made[f"{squeeze}.weight"], made[f"{squeeze}.bias"]
            squeezed = reference.relu(reference.conv2d(maps[before], *pair))
            reads(squeeze, maps[before])
            for part in ("expand1x1", "expand3x3"):
                reads(f"{layer.name}.{part}", squeezed)
        elif not isinstance(layer, MaxPool):
            reads(layer.name, maps[before])
        before = layer.name
    return found


def small(stored: str = "float32") -> tuple[bytes, bytes]:
    """(.param, .bin)"""
    made = networks.tensors(classes=3)
    layers = layer_lists.squeezenet(made, fused=True)
    base = "squeezenet1_1"
    return (
        param(made, layers, base, stored == "int8").encode(),
        weights(made, layers, base, stored),
    )
