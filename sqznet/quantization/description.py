"""The scales and biases that make integers of a network's weights and activations.

They belong to a file's metadata and are read without NumPy: a few arrays of float32 and int32.
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple, cast

from sqznet.errors import WeightsError, shown

#: The largest magnitude of a bias. The products of 33,000 inputs add less than as much again, so
#: that every sum fits in 32 bits.
MAX_BIAS = 2**30

# The limits of `sqznet.images.preprocessing.Preprocessing`.
_MOST, _LEAST_STD = 1e30, 1e-6


class ConvIntegers(NamedTuple):
    """A convolution with O outputs.

    weight_scales: float32 (O,), what one unit of an integer weight stands for, divided by the scale
        of the input that it is multiplied with.
    bias: int32 (O,), in units of ``weight_scales``. It contains what the input's zero point or mean
        adds, and any correction.
    output_scales: float32 (1,) or (O,), what one unit of an output byte stands for. Empty if the
        sums stay integers: those of the classifier and of a complex bypass.
    """

    weight_scales: array[float]
    bias: array[int]
    output_scales: array[float]


class SumIntegers(NamedTuple):
    """The sum of a fire and its bypass, C channels: a byte b stands for (b - zero) * scales.

    scales: float32 (1,) or (C,). zero: 0 to 255; not 0 only if the sum may be negative.
    """

    scales: array[float]
    zero: int


class Integers(NamedTuple):
    """How a whole network becomes integers; see the docstring of `sqznet.quantization`.

    mean, std: those of the preprocessing for which the first convolution's bias was made; with
        others, these integers are not the network.
    convs: by the name of the convolution. sums: by the name of the fire.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    convs: Mapping[str, ConvIntegers]
    sums: Mapping[str, SumIntegers]


def to_json(integers: Integers) -> dict[str, Any]:
    """For `from_json`: objects, lists, numbers and texts; arrays as base64 of little-endian."""
    return {
        "mean": list(integers.mean),
        "std": list(integers.std),
        "convs": {
            name: {field: _text(value) for field, value in conv._asdict().items()}
            for name, conv in integers.convs.items()
        },
        "sums": {
            name: {"scales": _text(added.scales), "zero": added.zero}
            for name, added in integers.sums.items()
        },
    }


def from_json(value: object) -> Integers:
    """The inverse of `to_json`. Raises WeightsError, saying which entry is wrong.

    Whether names and lengths are those of a network is checked by `sqznet.quantization.plan`.
    """
    entries = _object(value, Integers._fields, "it")
    return Integers(
        mean=_levels(entries["mean"], "mean", -_MOST),
        std=_levels(entries["std"], "std", _LEAST_STD),
        convs={name: _conv(conv, name) for name, conv in _mapping(entries["convs"], "convs")},
        sums={name: _sum(added, name) for name, added in _mapping(entries["sums"], "sums")},
    )


def _conv(value: object, name: str) -> ConvIntegers:
    entries = _object(value, ConvIntegers._fields, shown(name))
    return ConvIntegers(
        weight_scales=_scales(entries["weight_scales"], f"weight_scales of {shown(name)}"),
        bias=_bias(entries["bias"], f"bias of {shown(name)}"),
        output_scales=_scales(entries["output_scales"], f"output_scales of {shown(name)}"),
    )


def _sum(value: object, name: str) -> SumIntegers:
    entries = _object(value, SumIntegers._fields, shown(name))
    zero = entries["zero"]
    if type(zero) is not int or not 0 <= zero <= 255:
        raise WeightsError(f"zero of {shown(name)} is {shown(zero)}, expected 0 to 255")
    return SumIntegers(_scales(entries["scales"], f"scales of {shown(name)}"), zero)


def _scales(value: object, what: str) -> array[float]:
    scales: array[float] = _array("f", value, what)
    if not isfinite(sum(scales)) or min(scales, default=1.0) <= 0:
        raise WeightsError(f"{what}: expected positive, finite numbers")
    return scales


def _bias(value: object, what: str) -> array[int]:
    bias: array[int] = _array("i", value, what)
    if min(bias, default=0) < -MAX_BIAS or max(bias, default=0) > MAX_BIAS:
        raise WeightsError(f"{what}: expected numbers between -2**30 and 2**30")
    return bias


def little_endian(numbers: array[Any]) -> memoryview:
    """The bytes of numbers as files have them."""
    return memoryview(_little_endian(numbers).tobytes())


def _text(numbers: array[Any]) -> str:
    return b64encode(little_endian(numbers)).decode("ascii")


def _array(kind: str, value: object, what: str) -> array[Any]:
    """The numbers of type "f" or "i" in a text in base64."""
    numbers: array[Any] = array(kind)
    try:
        numbers.frombytes(b64decode(cast(str, value), validate=True))
    except (TypeError, ValueError):  # also of a number of bytes that is not a multiple of 4
        raise WeightsError(f"{what}: expected numbers of 4 bytes in base64") from None
    return _little_endian(numbers)


def _little_endian(numbers: array[Any]) -> array[Any]:
    """The numbers with their bytes in little-endian order, or from it: the same operation."""
    if sys.byteorder == "little":
        return numbers
    swapped = numbers[:]
    swapped.byteswap()
    return swapped


def _levels(value: object, what: str, least: float) -> tuple[float, float, float]:
    if (
        isinstance(value, list)
        and len(value) == 3
        and all(type(level) in (int, float) and least <= level <= _MOST for level in value)
    ):
        return float(value[0]), float(value[1]), float(value[2])
    raise WeightsError(f"{what}: expected three numbers from {least:g} to {_MOST:g}")


def _mapping(value: object, what: str) -> list[tuple[str, object]]:
    if not isinstance(value, dict):
        raise WeightsError(f"{what}: expected an object")
    return list(value.items())


def _object(value: object, fields: tuple[str, ...], what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(fields):
        raise WeightsError(f"{what}: expected an object of {', '.join(fields)}")
    return value
