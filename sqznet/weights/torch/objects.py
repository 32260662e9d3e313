"""The few objects in the pickle of a state_dict: storages, and tensors as views of them.

The names are those of torch; the meanings follow from torch's own documentation of strides and of
the serialized state_dict. Names outside the tables below are never looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from sqznet.errors import WeightsError, shown
from sqznet.weights.checkpoint import FLOAT_SIZES, MAX_DIMENSIONS, RawTensor, element_count
from sqznet.weights.torch.unpickle import Function

# Element sizes of storages; non-float types may occur beside the weights (counters).
ITEM_SIZES = {
    **FLOAT_SIZES,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}
_STORAGE_TYPES = {
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "DoubleStorage": "float64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_STORAGE_MODULES = ("torch", "torch.cuda")

# No file has more elements than this; the limit keeps all products small.
_MAX_SIZE = 1 << 48

# memoryview formats of items with these sizes (the native sizes are the same everywhere).
_VIEW_FORMATS: Mapping[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


@dataclass(frozen=True)
class StorageType:
    """The meaning of torch.FloatStorage and similar names: an element type."""

    dtype: str


@dataclass(frozen=True)
class Storage:
    """A sequence of elements in the file, found by its key."""

    key: str
    dtype: str
    count: int

    @property
    def nbytes(self) -> int:
        return self.count * ITEM_SIZES[self.dtype]


@dataclass(frozen=True)
class Tensor:
    """A view of a storage: element (i, j, ...) is at offset + i * strides[0] + j * strides[1]..."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements are in C order without gaps."""
        if element_count(self.shape) == 0:
            return True
        step = 1
        for dimension, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if dimension != 1 and stride != step:
                return False
            step *= dimension
        return True


def find_global(module: str, name: str) -> object:
    """The meaning of a global's name in the pickle. Raises WeightsError unless it is listed."""
    if module in _STORAGE_MODULES and name in _STORAGE_TYPES:
        return StorageType(_STORAGE_TYPES[name])
    qualified = f"{module}.{name}"
    if qualified in _FUNCTIONS:
        return Function(qualified, _FUNCTIONS[qualified])
    raise WeightsError(
        f"its pickle asks for {shown(qualified)[1:-1]}, which a state_dict does not need; nothing "
        "was run. Expected a file made by torch.save(model.state_dict(), path)"
    )


def storage_from_id(identity: object) -> Storage:
    """The storage of a persistent id: ("storage", type, key, device, count[, view])."""
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise WeightsError("its pickle refers to something that is not a tensor storage")
    kind, key, count = identity[1], identity[2], identity[4]
    if not isinstance(kind, StorageType) or not isinstance(key, str) or not _is_size(count):
        raise WeightsError("its pickle describes an invalid tensor storage")
    if len(identity) == 6 and identity[5] is not None:
        raise WeightsError(
            "it has storages that are views of others, as very old torch versions wrote them; "
            "load it and save its state_dict with a newer torch"
        )
    return Storage(key, kind.dtype, count)


def raw_tensor(name: str, tensor: Tensor, data: memoryview) -> RawTensor:
    """The tensor's bytes in C order, from its storage's bytes: a slice, or a copy if strided."""
    dtype = tensor.storage.dtype
    if dtype not in FLOAT_SIZES:
        raise WeightsError(
            f"tensor {shown(name)} has element type {dtype}, expected one of "
            f"{', '.join(FLOAT_SIZES)}"
        )
    item = ITEM_SIZES[dtype]
    if tensor.is_contiguous:
        begin = tensor.offset * item
        return RawTensor(dtype, tensor.shape, data[begin : begin + copied_bytes(tensor)])
    return RawTensor(dtype, tensor.shape, _in_order(tensor, data, item))


def copied_bytes(tensor: Tensor) -> int:
    """The number of bytes of the tensor if its elements are contiguous."""
    return element_count(tensor.shape) * ITEM_SIZES[tensor.storage.dtype]


def _in_order(tensor: Tensor, data: memoryview, item: int) -> memoryview:
    """A copy in C order, with one strided slice assignment per run along the longest dimension."""
    shape, strides = tensor.shape, tensor.strides
    flat = memoryview(bytearray(element_count(shape) * item))
    stored, target = data.cast(_VIEW_FORMATS[item]), flat.cast(_VIEW_FORMATS[item])
    longest = max(range(len(shape)), key=lambda axis: shape[axis])
    length, stride = shape[longest], strides[longest]
    step = element_count(shape[longest + 1 :])
    starts = [(0, tensor.offset)]
    place = element_count(shape)
    for axis, (dimension, distance) in enumerate(zip(shape, strides, strict=True)):
        place //= dimension
        if axis != longest:
            starts = [
                (to + index * place, origin + index * distance)
                for to, origin in starts
                for index in range(dimension)
            ]
    for to, origin in starts:
        target[to : to + (length - 1) * step + 1 : step] = stored[
            origin : origin + (length - 1) * stride + 1 : stride
        ]
    return flat


def _rebuild_tensor(
    storage: object, offset: object, shape: object, strides: object, *_: object
) -> Tensor:
    """torch._utils._rebuild_tensor and _rebuild_tensor_v2; further arguments are ignored."""
    if (
        not isinstance(storage, Storage)
        or not _is_size(offset)
        or not _is_sizes(shape)
        or not _is_sizes(strides)
        or len(shape) != len(strides)
    ):
        raise WeightsError("its pickle describes an invalid tensor")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    count = element_count(shape)
    if count and last >= storage.count:
        raise WeightsError(
            f"a tensor of shape {shape} reaches element {last} of a storage of {storage.count}"
        )
    # Repeated elements (stride 0) would let a small file use any amount of memory.
    if count > storage.count:
        raise WeightsError(f"a tensor of shape {shape} views a storage of {storage.count} elements")
    return Tensor(storage, offset if count else 0, shape, strides)


def _rebuild_parameter(data: object, *_: object) -> Tensor:
    if not isinstance(data, Tensor):
        raise WeightsError("its pickle describes a parameter that is not a tensor")
    return data


def _dictionary(pairs: object = None) -> dict[str, Any]:
    """collections.OrderedDict without arguments, or (Python 2) with a list of pairs."""
    if pairs is None:
        return {}
    if not isinstance(pairs, list) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str)
        for pair in pairs
    ):
        raise WeightsError("its pickle makes a dictionary of something that is not a list of pairs")
    result: dict[str, Any] = dict(pairs)
    # The same list could be passed to any number of calls, so it is emptied.
    pairs.clear()
    return result


def _counter(counts: object = None) -> object:
    """collections.Counter, part of the state of a learning-rate schedule."""
    if not isinstance(counts, dict):
        raise WeightsError("its pickle makes a counter of something that is not a dictionary")
    return counts


def _beside_the_weights(*_: object) -> dict[str, Any]:
    """Replaces what training scripts store beside the weights, options and scores, by nothing."""
    return {}


def _size(dimensions: object = ()) -> object:
    if not _is_sizes(dimensions):
        raise WeightsError("its pickle describes an invalid shape")
    return dimensions


def _is_size(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MAX_SIZE


def _is_sizes(value: object) -> TypeGuard[tuple[int, ...]]:
    return isinstance(value, tuple) and len(value) <= MAX_DIMENSIONS and all(map(_is_size, value))


_FUNCTIONS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": _dictionary,
    "collections.Counter": _counter,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.Size": _size,
    **dict.fromkeys(
        (
            "argparse.Namespace",
            "numpy.dtype",
            "numpy.core.multiarray.scalar",
            "numpy._core.multiarray.scalar",
            "_codecs.encode",
        ),
        _beside_the_weights,
    ),
}
