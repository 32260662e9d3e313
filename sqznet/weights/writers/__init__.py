"""Writers of weights files, one module a format: a Checkpoint in, the file's bytes out.

Each has `encode(checkpoint, network) -> bytes`: the checkpoint's tensors are exactly the network's,
and its metadata says all that `sqznet.weights.metadata` defines. The same input gives the same
bytes. What a writer writes, the reader of that format reads back exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from sqznet.network.layers import Network
from sqznet.weights.checkpoint import Checkpoint

#: The module that writes a format, by the ending of the file's name.
FORMATS: Mapping[str, str] = {
    ".safetensors": "safetensors",
    ".npz": "npz",
    ".pth": "torch",
    ".pt": "torch",
    ".onnx": "onnx",
}


def encode(format_name: str, checkpoint: Checkpoint, network: Network) -> bytes:
    """The bytes of a file in one of the formats that `FORMATS` names."""
    writer = import_module(f"{__name__}.{format_name}")
    content: bytes = writer.encode(checkpoint, network)
    return content
