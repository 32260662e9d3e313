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

# A file rounds an output a few times at most, to integers of up to 16 bits.
_MOST_GRIDS, _MOST_STEPS = 8, 1 << 16


class Grid(NamedTuple):
    """The multiples of ``scale``, a float32, from ``lowest`` to ``highest`` times.

    A value v is rounded to the grid as scale * n, all in float32: n is v / scale, rounded to the
    nearest integer, to the even one if two are equally near, then clipped to lowest..highest. Like
    any integer, n has no negative zero.
    """

    scale: float
    lowest: int
    highest: int


class ConvIntegers(NamedTuple):
    """A convolution with O outputs.

    weight_scales: float32 (O,), what one unit of an integer weight stands for, divided by the scale
        of the input that it is multiplied with.
    bias: int32 (O,), in units of ``weight_scales``. It contains what the input's zero point or mean
        adds, and any correction.
    output_scales: float32 (1,) or (O,), what one unit of an output byte stands for. Empty if the
        sums stay integers: those of a complex bypass and of a detector's output, and those of the
        classifier unless a file rounds them before the average.
    rounded: grids to which the output is rounded after that, in order. Afterwards, a unit of a byte
        stands for the last one's scale. A file's own rounding needs them: of halves before they are
        joined, and to fewer than 256 numbers.
    """

    weight_scales: array[float]
    bias: array[int]
    output_scales: array[float]
    rounded: tuple[Grid, ...] = ()


class SumIntegers(NamedTuple):
    """The sum of a fire and its bypass, C channels: a byte b stands for (b - zero) * scales.

    scales: float32 (1,) or (C,). zero: 0 to 255; not 0 only if the sum may be negative.
    """

    scales: array[float]
    zero: int


class Integers(NamedTuple):
    """How a whole network becomes integers; see the docstring of `sqznet.quantization`.

    mean, std: a byte b of the input stands for (b - mean) / std. They are those of the
        preprocessing for which the first convolution's bias was made; with others, these integers
        are not the network, unless there are ``limits``.
    convs: by the name of the convolution. sums: by the name of the fire.
    limits: None, or the lowest and the highest byte of an input that a file rounds to its own
        numbers: of whatever a preprocessing makes, v, as v * std + mean.
    logits: grids to which the logits are rounded, in order.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    convs: Mapping[str, ConvIntegers]
    sums: Mapping[str, SumIntegers]
    limits: tuple[int, int] | None = None
    logits: tuple[Grid, ...] = ()

    @property
    def is_complete(self) -> bool:
        """False if scales and biases are yet to be made of the weights, see
        `sqznet.quantization.completion`: then no convolution has any."""
        return any(conv.weight_scales or conv.bias for conv in self.convs.values())

    def without_weights(self) -> Integers:
        """Only the scales of the maps."""
        empty = ConvIntegers(array("f"), array("i"), array("f"))
        convs = {
            name: empty._replace(output_scales=conv.output_scales)
            for name, conv in self.convs.items()
        }
        return self._replace(convs=convs)


def to_json(integers: Integers) -> dict[str, Any]:
    """For `from_json`: objects, lists, numbers and texts; arrays as base64 of little-endian. What
    only files with their own rounding have is left out of others."""
    entries: dict[str, Any] = {
        "mean": list(integers.mean),
        "std": list(integers.std),
        "convs": {name: _conv_entry(conv) for name, conv in integers.convs.items()},
        "sums": {
            name: {"scales": _text(added.scales), "zero": added.zero}
            for name, added in integers.sums.items()
        },
    }
    if integers.limits is not None:
        entries["limits"] = list(integers.limits)
    if integers.logits:
        entries["logits"] = list(map(list, integers.logits))
    return entries


def _conv_entry(conv: ConvIntegers) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "weight_scales": _text(conv.weight_scales),
        "bias": _text(conv.bias),
        "output_scales": _text(conv.output_scales),
    }
    if conv.rounded:
        entry["rounded"] = list(map(list, conv.rounded))
    return entry


def from_json(value: object) -> Integers:
    """The inverse of `to_json`. Raises WeightsError, saying which entry is wrong.

    Whether names and lengths are those of a network is checked by `sqznet.quantization.plan`.
    """
    entries = _object(value, ("mean", "std", "convs", "sums"), "it", ("limits", "logits"))
    return Integers(
        mean=_levels(entries["mean"], "mean", -_MOST),
        std=_levels(entries["std"], "std", _LEAST_STD),
        convs={name: _conv(conv, name) for name, conv in _mapping(entries["convs"], "convs")},
        sums={name: _sum(added, name) for name, added in _mapping(entries["sums"], "sums")},
        limits=_limits(entries["limits"]) if "limits" in entries else None,
        logits=_grids(entries.get("logits", []), "logits", _MOST_STEPS),
    )


def _conv(value: object, name: str) -> ConvIntegers:
    fields = ("weight_scales", "bias", "output_scales")
    entries = _object(value, fields, shown(name), ("rounded",))
    return ConvIntegers(
        weight_scales=_scales(entries["weight_scales"], f"weight_scales of {shown(name)}"),
        bias=_bias(entries["bias"], f"bias of {shown(name)}"),
        output_scales=_scales(entries["output_scales"], f"output_scales of {shown(name)}"),
        rounded=_grids(entries.get("rounded", []), f"rounded of {shown(name)}", 255),
    )


def _sum(value: object, name: str) -> SumIntegers:
    entries = _object(value, SumIntegers._fields, shown(name))
    zero = entries["zero"]
    if type(zero) is not int or not 0 <= zero <= 255:
        raise WeightsError(f"zero of {shown(name)} is {shown(zero)}, expected 0 to 255")
    return SumIntegers(_scales(entries["scales"], f"scales of {shown(name)}"), zero)


def _limits(value: object) -> tuple[int, int]:
    if (
        isinstance(value, list)
        and [type(limit) for limit in value] == [int, int]
        and 0 <= value[0] <= value[1] <= 255
    ):
        return value[0], value[1]
    raise WeightsError("limits: expected two bytes in order")


def _grids(value: object, what: str, most: int) -> tuple[Grid, ...]:
    if not isinstance(value, list) or len(value) > _MOST_GRIDS:
        raise WeightsError(f"{what}: expected a list of {_MOST_GRIDS} grids at most")
    return tuple(_grid(grid, what, most) for grid in value)


def _grid(value: object, what: str, most: int) -> Grid:
    if isinstance(value, list) and [type(number) for number in value] == [float, int, int]:
        scale, lowest, highest = value
        scale = array("f", [scale])[0] if abs(scale) <= _MOST else 0.0
        if 0 < scale <= _MOST and -most <= lowest <= 0 <= highest <= most:
            return Grid(scale, lowest, highest)
    raise WeightsError(
        f"{what}: expected a grid of a scale and of whole numbers from -{most} to 0 and from 0 to "
        f"{most}"
    )


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


def _object(
    value: object, fields: tuple[str, ...], what: str, more: tuple[str, ...] = ()
) -> dict[str, Any]:
    """An object with all of ``fields`` and any of ``more``."""
    if not isinstance(value, dict) or set(value) - set(more) != set(fields):
        raise WeightsError(f"{what}: expected an object of {', '.join(fields)}")
    return value
