"""Writes safetensors files; `sqznet.weights.safetensors` says what they are."""

from __future__ import annotations

from typing import Any

from sqznet.graph import Network, expected_shapes
from sqznet.weights.checkpoint import FLOAT_SIZES, Checkpoint
from sqznet.weights.metadata import compact

_DTYPES = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64"}
_ALIGNMENT = 8


def encode(checkpoint: Checkpoint, network: Network) -> bytes:
    """A safetensors file of every tensor in its own precision."""
    header: dict[str, Any] = {"__metadata__": dict(checkpoint.metadata)}
    # Wider elements first, so that each tensor begins at a multiple of its element's size.
    names = sorted(
        expected_shapes(network), key=lambda name: -FLOAT_SIZES[checkpoint.tensors[name].dtype]
    )
    body = bytearray()
    for name in names:
        tensor = checkpoint.tensors[name]
        begin = len(body)
        body += tensor.data
        header[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, len(body)],
        }
    text = compact(header).encode("ascii")
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text + body
