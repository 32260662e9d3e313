"""What a pickle of torch.save may name: storages, tensors as views of them, and dictionaries.

The names are those of torch; the meanings follow from torch's own documentation of strides and of
the serialized state_dict. Any other name becomes a Placeholder and is never looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from sqznet.errors import WeightsError
from sqznet.weights.checkpoint import FLOAT_SIZES, MAX_DIMENSIONS, RawTensor, element_count
from sqznet.weights.torch.machine import Function, Placeholder

# Element sizes of storages; other types than floats may occur beside the weights (counters).
ITEM_SIZES = {
    **FLOAT_SIZES,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
    "complex64": 8,
    "complex128": 16,
    "qint8": 1,
    "quint8": 1,
    "qint32": 4,
    "untyped": 1,
}

#: The element types that a mask of weights may have.
MASK_TYPES = (*FLOAT_SIZES, "bool", "uint8", "int8", "int32", "int64")

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
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "UntypedStorage": "untyped",
}
_STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")

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
    """The meaning of a global's name in the pickle; a Placeholder unless it is listed."""
    if module in _STORAGE_MODULES and name in _STORAGE_TYPES:
        return StorageType(_STORAGE_TYPES[name])
    qualified = f"{module}.{name}"
    if qualified in _FUNCTIONS:
        return Function(qualified, _FUNCTIONS[qualified])
    return Placeholder(qualified)


def storage_from_id(identity: object) -> Storage | Placeholder:
    """The storage of a persistent id: ("storage", type, key, device, count[, view])."""
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise WeightsError("its pickle refers to something that is not a tensor storage")
    kind, key, count = identity[1], identity[2], identity[4]
    if isinstance(kind, Placeholder):
        return kind
    if not isinstance(kind, StorageType) or not isinstance(key, str) or not _is_size(count):
        raise WeightsError("its pickle describes an invalid tensor storage")
    if len(identity) == 6 and identity[5] is not None:
        raise WeightsError(
            "it has storages that are views of others, as very old torch versions wrote them; "
            "load it and save its state_dict with a newer torch"
        )
    return Storage(key, kind.dtype, count)


def raw_tensor(tensor: Tensor, data: memoryview) -> RawTensor:
    """The tensor's bytes in C order, from its storage's bytes: a slice, or a copy if strided.

    A tensor of one of `MASK_TYPES` that is not of floats becomes float32.
    """
    dtype = tensor.storage.dtype
    item = ITEM_SIZES[dtype]
    if tensor.is_contiguous:
        begin = tensor.offset * item
        ordered = data[begin : begin + copied_bytes(tensor)]
    else:
        ordered = _in_order(tensor, data, item)
    if dtype not in FLOAT_SIZES:
        import numpy as np

        ordered = memoryview(np.frombuffer(ordered, dtype).astype("<f4").tobytes())
        dtype = "float32"
    return RawTensor(dtype, tensor.shape, ordered)


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
) -> Tensor | Placeholder:
    """torch._utils._rebuild_tensor and its newer versions; further arguments are ignored."""
    if isinstance(storage, Placeholder):
        return Placeholder(f"tensor of {storage.name}")
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


def _rebuild_parameter(data: object, *_: object) -> Tensor | Placeholder:
    if not isinstance(data, (Tensor, Placeholder)):
        raise WeightsError("its pickle describes a parameter that is not a tensor")
    return data


def _rebuild_from_type(
    function: object, _type: object, arguments: object, *_: object
) -> Tensor | Placeholder:
    """A tensor of a class of its own, or one with attributes: only the tensor counts."""
    if isinstance(function, Function) and isinstance(arguments, tuple):
        make = _MAKE_TENSORS.get(function.name)
        if make is not None and len(arguments) <= _MAX_TENSOR_ARGUMENTS:
            return make(*arguments)
    return Placeholder("tensor of a class of its own")


def _dictionary(pairs: object = None, *_: object) -> dict[Any, Any] | Placeholder:
    """collections.OrderedDict without arguments, or (Python 2) with a list of pairs."""
    if pairs is None:
        return {}
    if not isinstance(pairs, list) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str)
        for pair in pairs
    ):
        return Placeholder("collections.OrderedDict")
    result: dict[str, Any] = dict(pairs)
    # The same list could be passed to any number of calls, so it is emptied.
    pairs.clear()
    return result


def _empty_dictionary(*_: object) -> dict[Any, Any]:
    """A kind of dictionary that gets its items, or whose items do not matter."""
    return {}


def _size(dimensions: object = (), *_: object) -> object:
    return dimensions if _is_sizes(dimensions) else Placeholder("torch.Size")


def _is_size(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MAX_SIZE


def _is_sizes(value: object) -> TypeGuard[tuple[int, ...]]:
    return isinstance(value, tuple) and len(value) <= MAX_DIMENSIONS and all(map(_is_size, value))


_MAX_TENSOR_ARGUMENTS = 8
_MAKE_TENSORS: dict[str, Callable[..., Tensor | Placeholder]] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
}

_FUNCTIONS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": _dictionary,
    "collections.defaultdict": _empty_dictionary,
    **_MAKE_TENSORS,
    "torch._tensor._rebuild_from_type": _rebuild_from_type,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
    "torch.Size": _size,
}
