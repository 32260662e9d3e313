"""Writers of weights files, one module per format: from a Checkpoint to the file's bytes.

Each has `encode(checkpoint, network) -> bytes`. The checkpoint's tensors are exactly those of the
network, and its metadata are complete (see `sqznet.weights.metadata`). The same input gives the
same bytes. The reader of the format reads exactly the same content back.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from sqznet.network.layers import Network
from sqznet.weights.checkpoint import Checkpoint

#: The module that writes a format, by the suffix of the file's name.
FORMATS: Mapping[str, str] = {
    ".safetensors": "safetensors",
    ".npz": "npz",
    ".pth": "torch",
    ".pt": "torch",
    ".onnx": "onnx",
}


def encode(format_name: str, checkpoint: Checkpoint, network: Network) -> bytes:
    """The bytes of a file in one of the formats in `FORMATS`."""
    writer = import_module(f"{__name__}.{format_name}")
    content: bytes = writer.encode(checkpoint, network)
    return content
