"""Reads protobuf's wire format, the container of ONNX and Caffe files, from bytes.

A message is a sequence of fields; each begins with a varint with the field's number and one of four
wire types (https://protobuf.dev/programming-guides/encoding). The meaning of a field is up to the
reader: the format does not say whether bytes are text, a message or numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sqznet.errors import WeightsError, shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: The value of a field: a varint as an unsigned 64-bit integer, or bytes.
Value = int | memoryview

# A SqueezeNet has some thousand fields, or some ten thousand with stack traces. The limit is what
# can be read in one second.
_MAX_FIELDS = 400_000

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10
_MAX_FIELD_NUMBER = (1 << 29) - 1

# Numbers decoded at a time: enough for speed, and few enough for little memory.
_CHUNK = 1 << 16


class MessageReader:
    """Reads the messages of one file, which share one limit for the number of fields."""

    def __init__(self) -> None:
        self._remaining = _MAX_FIELDS

    def fields(self, message: memoryview) -> Iterator[tuple[int, Value]]:
        """Yields the number and value of every field of a message (format "B"), in file order.

        Varints are unsigned 64-bit integers, all other values slices of the message.
        Raises WeightsError, with the byte position in the message, if it is damaged.
        """
        position, end = 0, message.nbytes
        while position < end:
            begin = position
            self._remaining -= 1
            if self._remaining < 0:
                raise WeightsError(f"it has more than {_MAX_FIELDS} fields, far too many")
            key, position = _varint(message, position)
            number, wire_type = key >> 3, key & 7
            if not 0 < number <= _MAX_FIELD_NUMBER:
                raise _damaged(message, begin, f"field number {number}")
            if wire_type == _VARINT:
                value, position = _varint(message, position)
                yield number, value
                continue
            if wire_type == _BYTES:
                length, position = _varint(message, position)
            elif wire_type in _FIXED_SIZES:
                length = _FIXED_SIZES[wire_type]
            else:
                raise _damaged(message, begin, f"wire type {wire_type}")
            if length > end - position:
                raise _damaged(message, begin, f"a field of {length} bytes, {end - position} left")
            yield number, message[position : position + length]
            position += length


def number(value: Value) -> int:
    """An unsigned varint. Raises WeightsError for anything else."""
    if not isinstance(value, int):
        raise WeightsError(f"damaged protobuf: {value.nbytes} bytes instead of a number")
    return value


def signed(value: Value) -> int:
    """A varint of one of protobuf's types int32, int64 and enum. Raises WeightsError otherwise."""
    unsigned = number(value)
    return unsigned - (1 << 64) if unsigned >> 63 else unsigned


def content(value: Value) -> memoryview:
    """The bytes of a field that is not a varint. Raises WeightsError for a varint."""
    if isinstance(value, int):
        raise WeightsError(f"damaged protobuf: the number {value} instead of a message")
    return value


def text(value: Value) -> str:
    """A string. Raises WeightsError if the bytes are not UTF-8."""
    data = content(value)
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise WeightsError(
            f"damaged protobuf: {shown(bytes(data[:40]))} instead of UTF-8 text"
        ) from None


def packed_varints(value: Value) -> Iterator[int]:
    """Yields the signed numbers in one occurrence of a repeated integer field, packed or not.

    For lists as short as a shape. Raises WeightsError if a varint is damaged.
    """
    if isinstance(value, int):
        yield signed(value)
        return
    position = 0
    while position < value.nbytes:
        item, position = _varint(value, position)
        yield signed(item)


def varint_array(values: Sequence[Value], count: int) -> npt.NDArray[np.int64]:
    """All occurrences of a repeated integer field, packed or not, as one array of `count` int64.

    Raises WeightsError if their number is not `count`, before allocating memory for them.
    """
    import numpy as np

    if all(isinstance(value, int) for value in values):
        found = len(values)
        if found == count:
            return np.array([signed(value) for value in values], np.int64)
    else:
        parts = [content(value) for value in values]
        joined = np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), np.uint8)
        last = joined < 0x80
        found = int(np.count_nonzero(last))
        if found == count and (not joined.size or last[-1]):
            return _decoded(joined, np.flatnonzero(last))
    raise WeightsError(f"a tensor has {found} whole numbers, expected {count}")


def float_bytes(values: Sequence[Value], item_size: int) -> memoryview:
    """All occurrences of a repeated float (item_size 4) or double (8) field, packed or not.

    The bytes are little-endian; a single packed occurrence is not copied. Raises WeightsError if a
    part is not a whole number of items.
    """
    parts = [content(value) for value in values]
    for part in parts:
        if part.nbytes % item_size:
            raise WeightsError(
                f"damaged protobuf: {part.nbytes} bytes, expected numbers of {item_size} bytes"
            )
    return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))


def _decoded(joined: npt.NDArray[np.uint8], last: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """The varints whose last bytes are at `last`."""
    import numpy as np

    result = np.zeros(last.size, np.uint64)
    begin = 0
    for start in range(0, last.size, _CHUNK):
        ends = last[start : start + _CHUNK]
        begins = np.append(begin, ends[:-1] + 1)
        lengths = ends - begins + 1
        if (longest := int(lengths.max())) > _MAX_VARINT_BYTES:
            raise WeightsError(f"damaged protobuf: a varint of {longest} bytes")
        for place in range(longest):
            present = np.flatnonzero(lengths > place)
            digit = (joined[begins[present] + place] & 0x7F).astype(np.uint64)
            result[start + present] |= digit << np.uint64(7 * place)
        begin = int(ends[-1]) + 1
    return result.view(np.int64)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The varint that begins at `position`, and the position after it."""
    begin, end = position, message.nbytes
    value = shift = 0
    while position < end:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                raise _damaged(message, begin, "a varint beyond 64 bits")
            return value, position
        shift += 7
        if position - begin == _MAX_VARINT_BYTES:
            raise _damaged(message, begin, f"a varint of more than {_MAX_VARINT_BYTES} bytes")
    raise _damaged(message, begin, "a varint that does not end")


def _damaged(message: memoryview, position: int, found: str) -> WeightsError:
    return WeightsError(
        f"damaged protobuf: {found} at byte {position} of a message of {message.nbytes} bytes"
    )
