"""The reader of protobuf's wire format, compared with bytes written by hand."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest

from sqznet.errors import WeightsError
from sqznet.weights import protobuf
from sqznet.weights.protobuf import MessageReader

from ..support.onnx_files import entry, varint
from ..support.weights_refusal import SECONDS

NUMBERS = [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -5, -(2**63)]


def fields(data: bytes) -> list[tuple[int, int | bytes]]:
    return [
        (number, value if isinstance(value, int) else bytes(value))
        for number, value in MessageReader().fields(memoryview(data))
    ]


def test_every_kind_of_field() -> None:
    message = entry(1, 300) + entry(2, "abc") + entry(3, 1.5) + entry(1, b"")
    message += varint(99 << 3 | 1) + struct.pack("<d", 2.5)
    assert fields(message) == [
        (1, 300),
        (2, b"abc"),
        (3, struct.pack("<f", 1.5)),
        (1, b""),
        (99, struct.pack("<d", 2.5)),
    ]
    assert fields(b"") == []


def test_nothing_is_copied() -> None:
    message = memoryview(bytearray(entry(5, b"abc")))
    ((_, value),) = MessageReader().fields(message)
    assert isinstance(value, memoryview)
    message[-1] = ord("x")
    assert bytes(value) == b"abx"


def test_unsigned_and_signed() -> None:
    for value in NUMBERS:
        ((_, found),) = MessageReader().fields(memoryview(entry(1, value)))
        assert found == value % 2**64
        assert protobuf.signed(found) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08", "a varint that does not end at byte 1 of a message of 1 bytes"),
        (b"\x08\x01\x80", "does not end at byte 2"),
        (b"\x08" + b"\xff" * 11, "more than 10 bytes at byte 1"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "beyond 64 bits at byte 1"),
        (b"\x0a\x05abcd", "a field of 5 bytes, 4 left at byte 0"),
        (b"\x0a" + varint(2**63), "a field of 9223372036854775808 bytes, 0 left"),
        (b"\x0d\x00\x00\x00", "a field of 4 bytes, 3 left"),
        (b"\x09\x00", "a field of 8 bytes, 1 left"),
        (b"\x00\x01", "field number 0 at byte 0"),
        (varint(1 << 32) + b"\x01", "field number 536870912"),
        (b"\x0b", "wire type 3"),
        (b"\x0c", "wire type 4"),
        (b"\x0e", "wire type 6"),
        (b"\x0f", "wire type 7"),
    ],
)
def test_errors_describe_the_damage(data: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        fields(data)


def test_all_messages_of_a_file_share_a_limit_of_fields() -> None:
    reader = MessageReader()
    message = memoryview(b"\x08\x01" * 300_000)
    started = time.process_time()
    assert sum(value for _, value in reader.fields(message) if value == 1) == 300_000
    with pytest.raises(WeightsError, match="far too many"):
        list(reader.fields(message))
    assert time.process_time() - started < SECONDS


def test_text() -> None:
    assert protobuf.text(memoryview("Größe".encode())) == "Größe"
    with pytest.raises(WeightsError, match="instead of UTF-8 text"):
        protobuf.text(memoryview(b"\xff\xfe"))
    with pytest.raises(WeightsError, match="the number 3 instead of a message"):
        protobuf.text(3)


def test_numbers_are_not_bytes() -> None:
    with pytest.raises(WeightsError, match="2 bytes instead of a number"):
        protobuf.signed(memoryview(b"ab"))


def test_repeated_integers() -> None:
    packed = memoryview(b"".join(map(varint, NUMBERS)))
    unsigned = [value % 2**64 for value in NUMBERS]
    assert list(protobuf.packed_varints(packed)) == NUMBERS
    assert list(protobuf.packed_varints(5)) == [5]
    for values in ([packed], [packed[:4], packed[4:]], unsigned):
        found = protobuf.varint_array(values, len(NUMBERS))
        assert found.dtype == np.int64
        assert found.tolist() == NUMBERS


def test_many_repeated_integers() -> None:
    numbers = np.random.default_rng(0).integers(-(2**40), 2**40, 150_000) >> 20
    packed = memoryview(b"".join(map(varint, numbers.tolist())))
    assert (protobuf.varint_array([packed], numbers.size) == numbers).all()


@pytest.mark.parametrize("count", [0, 2, 4, 2**60])
def test_a_wrong_count_of_integers(count: int) -> None:
    with pytest.raises(WeightsError, match=f"3 whole numbers, expected {count}"):
        protobuf.varint_array([memoryview(b"\x01\x02\x03")], count)


def test_damaged_lists_of_integers() -> None:
    with pytest.raises(WeightsError):
        protobuf.varint_array([memoryview(b"\x01\x80")], 1)
    with pytest.raises(WeightsError, match="a varint of 11 bytes"):
        protobuf.varint_array([memoryview(b"\x80" * 10 + b"\x01")], 1)
    with pytest.raises(WeightsError, match="does not end"):
        list(protobuf.packed_varints(memoryview(b"\x01\x80")))


def test_repeated_floats() -> None:
    data = memoryview(struct.pack("<3f", 1, 2, 3))
    assert protobuf.float_bytes([data], 4) is data
    assert protobuf.float_bytes([data[:4], data[4:]], 4) == data
    with pytest.raises(WeightsError, match="6 bytes, expected numbers of 4 bytes"):
        protobuf.float_bytes([data[:6]], 4)
    with pytest.raises(WeightsError):
        protobuf.float_bytes([3], 4)
