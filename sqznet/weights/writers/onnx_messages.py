"""Messages of ONNX files, which are protobuf; the field numbers are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

FLOAT = 1  # of TensorProto.DataType, as are these
_TYPES = {
    "float32": FLOAT,
    "uint8": 2,
    "int8": 3,
    "int32": 6,
    "float16": 10,
    "float64": 11,
    "bfloat16": 16,
}

# AttributeProto.AttributeType
_INT, _INTS = 2, 7

_VARINT, _BYTES = 0, 2  # protobuf's wire types


def node(op: str, name: str, *inputs: str, **attributes: int | tuple[int, ...]) -> bytes:
    """A NodeProto with one output, which has its own name."""
    fields = [
        *(field(1, value) for value in inputs),
        field(2, name),
        field(3, name),
        field(4, op),
        *(field(5, b"".join(_attribute(*item))) for item in attributes.items()),
    ]
    return b"".join(fields)


def _attribute(name: str, value: int | tuple[int, ...]) -> Iterator[bytes]:
    yield field(1, name)
    if isinstance(value, int):
        yield field(3, value)
        yield field(20, _INT)
    else:
        yield from (field(8, item) for item in value)
        yield field(20, _INTS)


def tensor(name: str, dtype: str, shape: tuple[int, ...], data: bytes | memoryview) -> bytes:
    """A TensorProto of little-endian numbers."""
    dimensions = [field(1, dimension) for dimension in shape]
    return b"".join([*dimensions, field(2, _TYPES[dtype]), field(8, name), field(9, bytes(data))])


def value(name: str, shape: tuple[int | str, ...]) -> bytes:
    """A ValueInfoProto of float32; a named dimension may have any size."""
    dimensions = [field(1, field(2 if isinstance(size, str) else 1, size)) for size in shape]
    tensor_type = field(1, FLOAT) + field(2, b"".join(dimensions))
    return field(1, name) + field(2, field(1, tensor_type))


def field(number: int, content: int | str | bytes) -> bytes:
    """A field of a protobuf message: a non-negative integer, a text, or any bytes."""
    if isinstance(content, int):
        return _varint(number << 3 | _VARINT) + _varint(content)
    # JSON can contain half of a surrogate pair, which UTF-8 cannot.
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
