"""safetensors: read by sqznet. Eight bytes of header length, a JSON header, then the numbers."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from benchmarks.network import Weights


def write(weights: Weights, path: Path) -> Path:
    """Write the weights as little-endian float32."""
    header: dict[str, object] = {}
    blobs = []
    offset = 0
    for name, value in weights.items():
        blob = value.astype("<f4").tobytes()
        offsets = [offset, offset + len(blob)]
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": offsets}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    return path
