"""The tensors of an ONNX file: found in the message or beside the file, and dequantized.

Field numbers and element types are those of TensorProto in
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; external data as in docs/ExternalData.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqznet.errors import WeightsError, shown
from sqznet.weights.checkpoint import FLOAT_SIZES, MAX_DIMENSIONS, RawTensor, element_count
from sqznet.weights.protobuf import (
    MessageReader,
    Value,
    content,
    float_bytes,
    packed_varints,
    signed,
    text,
    varint_array,
)
from sqznet.weights.reading import WeightsFile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# TensorProto's element types: their names, as in NumPy if it has them, and their sizes in bytes.
_FLOATS = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
#: The element types of floats.
FLOAT_TYPES = tuple(_FLOATS)
_INTEGERS = {
    2: ("uint8", 1),
    3: ("int8", 1),
    4: ("uint16", 2),
    5: ("int16", 2),
    6: ("int32", 4),
    7: ("int64", 8),
    12: ("uint32", 4),
    13: ("uint64", 8),
}
_INT8 = 3
_BYTES = ((0, 255), (-128, 127))  # the bounds of 8-bit integers
_DIMS, _DATA_TYPE, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 8, 9, 13, 14
_FLOAT_DATA, _INT32_DATA, _INT64_DATA, _DOUBLE_DATA, _UINT64_DATA = 4, 5, 7, 10, 11
_TYPED = (_FLOAT_DATA, _INT32_DATA, _INT64_DATA, _DOUBLE_DATA, _UINT64_DATA)

# Converted tensors take at most four times the bytes of the file if each is used once: int8 that
# becomes float32. The rest is for what a file omits, such as zero biases.
_CONVERSION_GROWTH = 4
_CONVERSION_SPARE = 1 << 20


@dataclass(frozen=True)
class OnnxTensor:
    """A TensorProto without decoding its data.

    typed: the values of the typed data fields, by field number; external: the location of the data
    if they are in another file, else empty.
    """

    name: str
    data_type: int
    shape: tuple[int, ...]
    raw: memoryview | None
    typed: Mapping[int, list[Value]] = field(default_factory=dict)
    external: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"tensor {shown(self.name)}"

    @property
    def item_size(self) -> int:
        """Bytes per element. Raises WeightsError for a type that is not used for weights."""
        if self.data_type in _FLOATS:
            return FLOAT_SIZES[_FLOATS[self.data_type]]
        if self.data_type in _INTEGERS:
            return _INTEGERS[self.data_type][1]
        raise WeightsError(
            f"{self} has ONNX's element type {self.data_type}, expected floats of 16 to 64 bits "
            "or integers of 8 to 64 bits"
        )

    @property
    def is_float(self) -> bool:
        return self.data_type in _FLOATS

    @property
    def is_int8(self) -> bool:
        return self.data_type == _INT8


def integer_bounds(data_type: int) -> tuple[int, int] | None:
    """The lowest and highest value of an ONNX integer type; None for other types."""
    if data_type not in _INTEGERS:
        return None
    kind, size = _INTEGERS[data_type]
    bits = 8 * size
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "i" else (0, (1 << bits) - 1)


def parse_tensor(reader: MessageReader, message: memoryview) -> OnnxTensor:
    """A TensorProto. Raises WeightsError if it is damaged or its shape is invalid."""
    name, data_type, located = "", 0, 0
    raw: memoryview | None = None
    shape: list[int] = []
    typed: dict[int, list[Value]] = {}
    external: dict[str, str] = {}
    for key, value in reader.fields(message):
        if key == _DIMS:
            for dimension in packed_varints(value):
                shape.append(dimension)
                if len(shape) > MAX_DIMENSIONS or dimension < 0:
                    raise WeightsError(f"a tensor has the dimensions {shape}")
        elif key == _DATA_TYPE:
            data_type = signed(value)
        elif key == _NAME:
            name = text(value)
        elif key == _RAW:
            raw = content(value)
        elif key == _EXTERNAL:
            entry, setting = parse_entry(reader, content(value))
            external[entry] = setting
        elif key == _LOCATION:
            located = signed(value)
        elif key in _TYPED:
            typed.setdefault(key, []).append(value)
    if located == 1 and not external:
        raise WeightsError(f"tensor {shown(name)} is in another file, but none is named")
    return OnnxTensor(name, data_type, tuple(shape), raw, typed, external if located == 1 else {})


def parse_entry(reader: MessageReader, message: memoryview) -> tuple[str, str]:
    """A StringStringEntryProto: its key and its value."""
    texts = {1: "", 2: ""}
    for key, value in reader.fields(message):
        if key in texts:
            texts[key] = text(value)
    return texts[1], texts[2]


class TensorData:
    """Converts the tensors of one file to bytes and numbers, within a memory budget."""

    def __init__(self, file: WeightsFile) -> None:
        self._file = file
        self._neighbors: dict[str, memoryview] = {}
        self._budget = _CONVERSION_SPARE + _CONVERSION_GROWTH * file.view.nbytes

    def raw(self, tensor: OnnxTensor) -> RawTensor:
        """A tensor of floats; not copied if the file stores it as such.

        Raises WeightsError if it has another type, or not as much data as its shape needs.
        """
        if not tensor.is_float:
            raise WeightsError(f"{tensor} has no floats (ONNX's type {tensor.data_type})")
        return RawTensor(_FLOATS[tensor.data_type], tensor.shape, self._bytes(tensor))

    def numbers(self, tensor: OnnxTensor) -> npt.NDArray[np.generic]:
        """The values as an array with the tensor's shape and type (bfloat16 as float32)."""
        return self._numbers(tensor, self._bytes(tensor))

    def dequantized(
        self,
        tensor: OnnxTensor,
        scales: tuple[OnnxTensor, ...],
        zero_point: OnnxTensor | None,
        axis: int,
        bounds: tuple[int, int] | None,
    ) -> RawTensor:
        """(tensor - zero_point) * scales, in float32.

        Integers of 8 bits that are int8 after the zero point was subtracted stay int8, with a scale
        for each output channel, if they have no other scale.

        With `bounds`, the tensor has floats, which are first quantized to integers within these
        bounds. Scales and zero point are single numbers, or one number for each index of `axis`.
        Raises WeightsError if they are something else or the tensor does not have integers.
        """
        import numpy as np

        size = tensor.item_size
        if tensor.is_float and bounds is None:
            raise WeightsError(f"{tensor} must be dequantized, but has floats")
        for scale in scales:
            if not scale.is_float:
                raise WeightsError(f"{scale}, a scale, has no floats")
        self.spend(element_count(tensor.shape) * max(4, size), tensor)
        zero = np.float32(0)
        with np.errstate(all="ignore"):  # overflow is refused later, like any infinity
            data = self._bytes(tensor)
            stored = self._numbers(tensor, data)
            factors = [self._along(scale, tensor.shape, axis) for scale in scales]
            if zero_point is not None:
                zero = self._along(zero_point, tensor.shape, axis)
            outputs = _for_outputs(factors[0], tensor.shape) if len(factors) == 1 else None
            if tensor.is_int8 and bounds is None and outputs is not None and not zero.any():
                return RawTensor("int8", tensor.shape, data, outputs)
            values = stored.astype(np.float32)
            if bounds is not None:
                values /= factors[0]
                np.rint(values, out=values)
                values += zero
                np.clip(values, *bounds, out=values)
            values -= zero
            if outputs is not None and (size == 1 or bounds in _BYTES) and _is_int8(values):
                integers = values.astype(np.int8)
                return RawTensor("int8", tensor.shape, integers.reshape(-1).data.cast("B"), outputs)
            for factor in factors:
                values *= factor
        return RawTensor("float32", tensor.shape, values.reshape(-1).data.cast("B"))

    def zeros(self, count: int, what: str) -> RawTensor:
        """`count` float32 zeros: the bias that the convolution `what` omits."""
        self.spend(4 * count, what)
        return RawTensor("float32", (count,), memoryview(bytes(4 * count)))

    def _along(
        self, tensor: OnnxTensor, shape: tuple[int, ...], axis: int
    ) -> npt.NDArray[np.float32]:
        """One number, or one for each index of `axis`, in a shape that broadcasts to `shape`."""
        import numpy as np

        count = element_count(tensor.shape)
        place = axis + len(shape) if axis < 0 else axis
        per_index = len(tensor.shape) == 1 and 0 <= place < len(shape) and count == shape[place]
        if count != 1 and not per_index:
            raise WeightsError(
                f"{tensor} has the shape {tensor.shape}, expected one number, or one for each "
                f"index of axis {shown(axis)} of {shape}"
            )
        self.spend(4 * count, tensor)
        with np.errstate(all="ignore"):
            values = self.numbers(tensor).astype(np.float32)
        if count == 1:
            return values.reshape(())
        return values.reshape([count if i == place else 1 for i in range(len(shape))])

    def _numbers(self, tensor: OnnxTensor, data: memoryview) -> npt.NDArray[np.generic]:
        import numpy as np

        kind = _FLOATS.get(tensor.data_type) or _INTEGERS[tensor.data_type][0]
        values: npt.NDArray[np.generic]
        if kind == "bfloat16":
            self.spend(2 * data.nbytes, tensor)
            values = (np.frombuffer(data, "<u2").astype("<u4") << np.uint32(16)).view("<f4")
        else:
            values = np.frombuffer(data, np.dtype(kind).newbyteorder("<"))
        return values.reshape(tensor.shape)

    def _bytes(self, tensor: OnnxTensor) -> memoryview:
        """Little-endian bytes in C order, as many as the shape says."""
        expected = element_count(tensor.shape) * tensor.item_size
        if not expected:
            raise WeightsError(f"{tensor} is empty, of shape {tensor.shape}")
        if tensor.external:
            return self._external(tensor, expected)
        data = tensor.raw if tensor.raw is not None else self._typed(tensor, expected)
        if data.nbytes != expected:
            raise WeightsError(
                f"{tensor} of shape {tensor.shape} has {data.nbytes} bytes, expected {expected}"
            )
        return data

    def _typed(self, tensor: OnnxTensor, expected: int) -> memoryview:
        """The data of a tensor without raw bytes, from the field for its type."""
        import numpy as np

        kind = _FLOATS.get(tensor.data_type) or _INTEGERS[tensor.data_type][0]
        fields = {
            "float32": _FLOAT_DATA,
            "float64": _DOUBLE_DATA,
            "int64": _INT64_DATA,
            "uint32": _UINT64_DATA,
            "uint64": _UINT64_DATA,
        }
        values = tensor.typed.get(fields.get(kind, _INT32_DATA), [])
        if not values:
            return memoryview(b"")
        if kind in ("float32", "float64"):
            if len(values) > 1:
                self.spend(expected, tensor)
            return float_bytes(values, tensor.item_size)
        count = element_count(tensor.shape)
        # int32_data stores half floats as their bits.
        stored = np.dtype("uint16" if tensor.is_float else kind).newbyteorder("<")
        self.spend(count * tensor.item_size, tensor)
        numbers = varint_array(values, count)
        if kind != "uint64":
            bounds = np.iinfo(stored)
            if count and not (bounds.min <= numbers.min() and numbers.max() <= bounds.max):
                raise WeightsError(f"{tensor} has values that are not {stored.name}")
        return numbers.astype(stored).data.cast("B")

    def _external(self, tensor: OnnxTensor, expected: int) -> memoryview:
        location = tensor.external.get("location", "")
        view = self._neighbors.get(location)
        if view is None:
            view = self._neighbors[location] = self._neighbor(tensor, location)
            self._budget += _CONVERSION_GROWTH * view.nbytes
        offset = _whole(tensor, "offset", 0)
        length = _whole(tensor, "length", expected)
        if length != expected:
            raise WeightsError(
                f"{tensor} of shape {tensor.shape} has {length} bytes in {shown(location)}, "
                f"expected {expected}"
            )
        if offset + length > view.nbytes:
            raise WeightsError(
                f"{tensor} ends at byte {offset + length} of {shown(location)}, "
                f"which has {view.nbytes}"
            )
        return view[offset : offset + length]

    def _neighbor(self, tensor: OnnxTensor, location: str) -> memoryview:
        """Another file in the model's folder or below it; never one outside."""
        parts = location.replace("\\", "/").split("/")
        if not location or "" in parts or ".." in parts or ":" in location or "\0" in location:
            raise WeightsError(
                f"{tensor} is in {shown(location)}, expected a file in the model's own folder"
            )
        file = self._file.beside(location)
        if file is None:
            raise WeightsError(
                f"{tensor} is in {shown(location)}, which is not beside the model; "
                "an ONNX file and its data must stay together"
            )
        return file.view

    def spend(self, nbytes: int, what: object) -> None:
        """Raises WeightsError if the file's conversion takes more memory than a network needs."""
        self._budget -= nbytes
        if self._budget < 0:
            raise WeightsError(f"{what} would need far more memory than the file's size")


def _whole(tensor: OnnxTensor, key: str, default: int) -> int:
    setting = tensor.external.get(key)
    if setting is None:
        return default
    if not (setting.isascii() and setting.isdigit() and len(setting) < 19):
        raise WeightsError(f"{tensor}: {key} of its external data is {shown(setting)}")
    return int(setting)


def _is_int8(values: npt.NDArray[np.float32]) -> bool:
    return bool(values.min() >= -128 and values.max() <= 127)  # not if there is a NaN


def _for_outputs(scale: npt.NDArray[np.float32], shape: tuple[int, ...]) -> memoryview | None:
    """One scale for each output channel, little-endian; None if it is along another axis."""
    import numpy as np

    if not shape or (scale.ndim and scale.shape[0] != shape[0]):
        return None
    return np.full(shape[0], scale.reshape(-1), "<f4").data.cast("B")
