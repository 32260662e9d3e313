"""Writes safetensors files; `sqznet.weights.safetensors` describes the format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqznet.network.layers import Network
from sqznet.weights.checkpoint import FLOAT_SIZES, Checkpoint
from sqznet.weights.strict_json import compact

_DTYPES = {
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
    "int8": "I8",
}
_ALIGNMENT = 8


def encode(checkpoint: Checkpoint, network: Network) -> bytes:
    """A safetensors file of every tensor in its own precision. The scales of int8 are in the
    metadata's "integers"."""
    tensors = {name: checkpoint.tensors[name] for name in network.tensors()}
    # Larger elements first, so that each tensor begins at a multiple of its element size.
    names = sorted(tensors, key=lambda name: -FLOAT_SIZES.get(tensors[name].dtype, 1))
    return pack(
        checkpoint.metadata,
        (
            (name, _DTYPES[tensors[name].dtype], tensors[name].shape, tensors[name].data)
            for name in names
        ),
    )


def pack(
    metadata: Mapping[str, str],
    tensors: Iterable[tuple[str, str, tuple[int, ...], bytes | memoryview]],
) -> bytes:
    """A file of these tensors in this order: name, the format's name of the element type, shape and
    bytes of each."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    body = bytearray()
    for name, dtype, shape, data in tensors:
        begin = len(body)
        body += data
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [begin, len(body)],
        }
    text = compact(header).encode("ascii")
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text + body
