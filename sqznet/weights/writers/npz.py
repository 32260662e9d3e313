"""Writes .npz files; `sqznet.weights.npz` describes the format."""

from __future__ import annotations

from sqznet.network.layers import Network
from sqznet.weights.checkpoint import Checkpoint, RawTensor
from sqznet.weights.npz import METADATA_NAME
from sqznet.weights.strict_json import compact
from sqznet.weights.writers.archive import pack

_KINDS = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}
_ALIGNMENT = 64


def encode(checkpoint: Checkpoint, network: Network) -> bytes:
    """An .npz file of every tensor in its own precision; bfloat16, which NumPy lacks, as float32.

    numpy.load reads it without pickle; "__metadata__" is a string: a JSON object of strings.
    """
    entries: dict[str, bytes] = {}
    for name in network.tensors():
        tensor = checkpoint.tensors[name]
        if tensor.dtype == "bfloat16":
            tensor = _widened(tensor)
        header = _header(_KINDS[tensor.dtype], tensor.shape)
        entries[f"{name}.npy"] = header + tensor.data
    text = compact(dict(checkpoint.metadata))
    entries[f"{METADATA_NAME}.npy"] = _header(f"<U{len(text)}", ()) + text.encode("utf-32-le")
    return pack(entries)


def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    """The part before an array's elements, in version 1.0 of the format."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    # The magic, version and length take 10 bytes; a line break ends the header.
    text += " " * (-(10 + len(text) + 1) % _ALIGNMENT) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("ascii")


def _widened(tensor: RawTensor) -> RawTensor:
    """The same values: a bfloat16 is the upper half of a float32."""
    wide = bytearray(2 * tensor.data.nbytes)
    wide[2::4] = tensor.data[0::2]
    wide[3::4] = tensor.data[1::2]
    return RawTensor("float32", tensor.shape, memoryview(wide))
