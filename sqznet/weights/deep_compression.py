"""Reads the file of the Deep-Compression release: SqueezeNet 1.0, pruned, with shared weights.

The layout, all little-endian: for each of the 26 convolutions, the number of kept weights (uint32).
Then for each convolution: 256 float32, the possible values of its weights; its bias (float32); for
each kept weight, the index of its value (uint8); and the number of omitted weights before each kept
one (four bits, the low half of a byte first). Omitted weights are zero. The order is that of the
network: conv1, then squeeze, expand 1x1 and expand 3x3 of each fire, conv10. The file does not
state the layers' sizes: only the 1000-class SqueezeNet 1.0 exists in this format.
(https://github.com/songhan/SqueezeNet-Deep-Compression, decode.py; arXiv:1510.00149)
"""

from __future__ import annotations

import struct
from math import prod

from sqznet.errors import WeightsError
from sqznet.images.preprocessing import PRESETS
from sqznet.network.layers import Shape
from sqznet.network.variants import TOPOLOGIES, Wiring
from sqznet.weights.checkpoint import Checkpoint, RawTensor
from sqznet.weights.reading import WeightsFile

_BASE = "squeezenet1_0"
_CLASSES, _STEM = 1000, 96
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
_TABLE_BYTES = 256 * 4
_DEFAULT = "the default for Deep-Compression files"


def _shapes() -> dict[str, Shape]:
    """The convolutions in the file's order, by torchvision's names, with the shapes of weights."""
    topology = TOPOLOGIES[_BASE]
    shapes: dict[str, Shape] = {}
    shapes["features.0"] = (_STEM, 3, topology.kernel, topology.kernel)
    channels = _STEM
    for position, (squeeze, expand) in zip(topology.fires, _FIRES, strict=True):
        name = f"features.{position}"
        shapes[f"{name}.squeeze"] = (squeeze, channels, 1, 1)
        shapes[f"{name}.expand1x1"] = (expand, squeeze, 1, 1)
        shapes[f"{name}.expand3x3"] = (expand, squeeze, 3, 3)
        channels = 2 * expand
    shapes["classifier.1"] = (_CLASSES, channels, 1, 1)
    return shapes


_SHAPES = _shapes()
_HEADER = struct.Struct(f"<{len(_SHAPES)}I")


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin like such a file: with counts that are possible for its layers."""
    return view.nbytes >= _HEADER.size and all(
        0 < kept <= prod(shape)
        for kept, shape in zip(_HEADER.unpack_from(view), _SHAPES.values(), strict=True)
    )


def read(file: WeightsFile) -> Checkpoint:
    """Reads a Deep-Compression file; the weights become float32, exactly.

    Raises WeightsError (without the path) if the file is invalid.
    """
    view = file.view
    counts = _HEADER.unpack_from(view)
    expected = _HEADER.size + sum(
        _TABLE_BYTES + 4 * shape[0] + kept + (kept + 1) // 2
        for kept, shape in zip(counts, _SHAPES.values(), strict=True)
    )
    if view.nbytes != expected:
        raise WeightsError(
            f"its counts of weights take {expected} bytes, but it has {view.nbytes}; "
            "it was cut short, or is not a Deep-Compression file"
        )
    tensors = {}
    position = _HEADER.size
    for (name, shape), kept in zip(_SHAPES.items(), counts, strict=True):
        parts = []
        for size in (_TABLE_BYTES, 4 * shape[0], kept, (kept + 1) // 2):
            parts.append(view[position : position + size])
            position += size
        table, bias, codes, gaps = parts
        weights = _decoded(name, prod(shape), table, codes, gaps)
        tensors[f"{name}.weight"] = RawTensor("float32", shape, weights)
        tensors[f"{name}.bias"] = RawTensor("float32", shape[:1], bias)
    keys = ("conv1_padding", "conv10_padding", "ceil_mode", "softmax", "preprocessing")
    return Checkpoint(
        path=file.name,
        format="deep-compression",
        tensors=tensors,
        metadata={},
        variant=_BASE,
        preprocessing=PRESETS["caffe"],
        labels=None,
        wiring=Wiring(conv10_padding=1, softmax=True),
        reasons={
            "variant": "the only network in this format",
            "precision": "8-bit codes in the file, decoded",
            **dict.fromkeys(keys, _DEFAULT),
        },
    )


def _decoded(
    name: str, size: int, table: memoryview, codes: memoryview, gaps: memoryview
) -> memoryview:
    """The `size` float32 weights of one layer."""
    import numpy as np

    pairs = np.frombuffer(gaps, np.uint8)
    left_out = np.stack([pairs & 15, pairs >> 4], axis=1).ravel()[: codes.nbytes]
    indices = np.cumsum(left_out.astype(np.intp) + 1) - 1
    if indices[-1] >= size:
        raise WeightsError(
            f"the weights of {name} reach index {indices[-1]}, but it has {size} weights"
        )
    weights = np.zeros(size, "<f4")
    weights[indices] = np.frombuffer(table, "<f4")[np.frombuffer(codes, np.uint8)]
    return weights.data.cast("B")
