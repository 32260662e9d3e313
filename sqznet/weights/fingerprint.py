"""Tells whether two networks have the same weights, whatever files they came from."""

from __future__ import annotations

from hashlib import sha256

from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.strict_json import compact


def fingerprint(checkpoint: Checkpoint) -> str:
    """The SHA-256, in hex, of a network's weights; it does not depend on the file format.

    It covers every tensor in the order of the names: first a line of JSON ([name, element type,
    shape]), then the tensor's bytes, int8 tensors as float32. If activations are rounded, a last
    line says how.
    """
    digest = sha256()
    for name, stored in sorted(checkpoint.tensors.items()):
        tensor = stored.floats()
        digest.update(f"{compact([name, tensor.dtype, tensor.shape])}\n".encode())
        digest.update(tensor.data)
    if checkpoint.activations:
        rounding = {
            place: [grid._asdict() for grid in grids]
            for place, grids in checkpoint.activations.items()
        }
        digest.update(f"{compact(rounding)}\n".encode())
    return digest.hexdigest()
