"""Writes .pth files like torch.save since 1.6; `sqznet.weights.torch` describes the format.

The pickle is an OrderedDict of tensors. Each is a call of `torch._utils._rebuild_tensor_v2` with
its own storage, in opcodes that torch.load(weights_only=True) accepts. The metadata are in an entry
that torch ignores.
"""

from __future__ import annotations

from sqznet.network.layers import Network
from sqznet.weights.checkpoint import Checkpoint, RawTensor, element_count
from sqznet.weights.strict_json import compact
from sqznet.weights.torch.reader import METADATA_ENTRY
from sqznet.weights.writers.archive import pack

_FOLDER = "archive/"
_STORAGES = {
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
}

_EMPTY_ORDERED_DICT = b"ccollections\nOrderedDict\n)R"
_FALSE = b"\x89"


def encode(checkpoint: Checkpoint, network: Network) -> bytes:
    """A .pth file of a state dict, every tensor in its own precision and its own storage."""
    names = list(network.tensors())
    tensors = [checkpoint.tensors[name] for name in names]
    items = [_text(name) + _tensor(str(i), tensors[i]) for i, name in enumerate(names)]
    pickled = b"\x80\x02" + _EMPTY_ORDERED_DICT + b"(" + b"".join(items) + b"u."
    entries = {
        "data.pkl": pickled,
        "byteorder": b"little",
        **{f"data/{i}": bytes(tensor.data) for i, tensor in enumerate(tensors)},
        "version": b"3\n",
        METADATA_ENTRY: compact(dict(checkpoint.metadata)).encode("ascii"),
    }
    return pack({_FOLDER + name: data for name, data in entries.items()})


def _tensor(key: str, tensor: RawTensor) -> bytes:
    """The opcodes that build a tensor from the storage with this key."""
    storage = b"(" + _text("storage") + f"ctorch\n{_STORAGES[tensor.dtype]}\n".encode("ascii")
    storage += _text(key) + _text("cpu") + _integer(element_count(tensor.shape)) + b"tQ"
    # After shape and strides: no gradient is required and there are no hooks.
    arguments = storage + _integer(0) + _integers(tensor.shape) + _integers(_strides(tensor.shape))
    arguments += _FALSE + _EMPTY_ORDERED_DICT
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def _text(value: str) -> bytes:
    data = value.encode("ascii")
    return b"X" + len(data).to_bytes(4, "little") + data


def _integer(value: int) -> bytes:
    return b"J" + value.to_bytes(4, "little", signed=True)


def _integers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_integer, values)) + b"t"


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of C order, in elements."""
    return tuple(element_count(shape[axis + 1 :]) for axis in range(len(shape)))
