"""What the integers of each layer need, from the description of a whole network. Without NumPy.

All results are float32, rounded once from their exact value or from one quotient.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import NamedTuple

from sqznet.errors import WeightsError, printable
from sqznet.network.layers import INPUT, Classifier, Conv, Fire, Joined, Layer, MaxPool, Network
from sqznet.quantization.description import MAX_BIAS, ConvIntegers, Grid, Integers
from sqznet.quantization.tables import SAME, rounding_table

_LARGEST_PRODUCT = 255 * 127


class Map(NamedTuple):
    """The grid of a map of C channels: a byte b of channel c stands for
    ``(b - zero[c]) * scales[c]``. In the input, ``zero`` is the mean, rounded to an integer.

    scales: float32 (C,). zero: C bytes.
    """

    scales: array[float]
    zero: bytes


class ConvPlan(NamedTuple):
    """A convolution with I inputs and O outputs; see the docstring of `sqznet.quantization`.

    input_scales: float32 (I,). weight_scales: float32 (O,). bias: int32 (O,).
    scale: float32 (O,), the factor from a sum to an output byte; to the value that the sum stands
        for, if the sums stay integers.
    border: I bytes, which any padding holds.
    table: 256 bytes: what becomes of each output byte when it is rounded further; b"" if nothing.
    """

    input_scales: array[float]
    weight_scales: array[float]
    bias: array[int]
    scale: array[float]
    border: bytes
    table: bytes = b""

    @property
    def of_zeros(self) -> bytes:
        """O bytes: the outputs where all inputs are bytes of 0."""
        biases = _floats(self.bias)
        products = _floats(bias * scale for bias, scale in zip(biases, self.scale, strict=True))
        return bytes(round(min(max(y, 0), 255)) for y in products).translate(self.table or SAME)


class SumPlan(NamedTuple):
    """The sum of a fire and its bypass: float32 (C,) factors and zero points."""

    fire: array[float]
    around: array[float]
    zero: int
    around_zero: int


class Plan(NamedTuple):
    """convs: by the convolution's name; sums: by the fire's; maps: by the name of the layer, with
    "input"; a squeeze is a map "features.N.squeeze".

    classes: by the name of a classifier whose convolution gives bytes, float32 (O,), what one unit
    stands for. Other classifiers average sums. logits: the grids to which logits are rounded.
    """

    convs: Mapping[str, ConvPlan]
    sums: Mapping[str, SumPlan]
    maps: Mapping[str, Map]
    classes: Mapping[str, array[float]]
    logits: tuple[Grid, ...]

    @property
    def rounds_again(self) -> bool:
        """Whether bytes or logits are rounded further, as only files with their own rounding do."""
        return bool(self.classes or self.logits) or any(conv.table for conv in self.convs.values())


def plan(network: Network, integers: Integers) -> Plan:
    """The plan of a network. Raises WeightsError if the description belongs to another network."""
    return _Planner(network, integers).plan


class _Planner:
    def __init__(self, network: Network, integers: Integers) -> None:
        self._integers = integers
        self._shapes = network.tensors()
        self._convs: dict[str, ConvPlan] = {}
        self._sums: dict[str, SumPlan] = {}
        self._classes: dict[str, array[float]] = {}
        self._maps = {
            INPUT: Map(
                _floats(1.0 / level for level in integers.std),
                bytes(min(max(round(level), 0), 255) for level in integers.mean),
            )
        }
        read: dict[str, Map] = {}
        for branch in network.branches:
            x = self._maps[branch.input]
            for layer in branch.layers:
                if read.setdefault(layer.name, x) != x:
                    raise WeightsError(
                        f"{layer.name}, which levels share, reads maps of different scales"
                    )
                x = self._maps[layer.name] = self._layer(layer, x)
        self._require_all_used()
        self.plan = Plan(self._convs, self._sums, self._maps, self._classes, integers.logits)

    def _layer(self, layer: Layer, x: Map) -> Map:
        if isinstance(layer, Conv):
            return self._conv(layer.name, x)
        if isinstance(layer, Fire):
            return self._fire(layer, x)
        if isinstance(layer, Classifier):
            return self._classifier(layer, x)
        if isinstance(layer, Joined):
            parts = [self._conv(part.name, x, stays=True) for part in layer.parts]
            scales = _floats(scale for part in parts for scale in part.scales)
            return Map(scales, bytes(layer.channels))
        assert isinstance(layer, MaxPool)
        return x

    def _classifier(self, layer: Classifier, x: Map) -> Map:
        found = self._integers.convs.get(layer.name)
        if found is None or not found.output_scales:
            return self._conv(layer.name, x, stays=True)
        if not layer.relu:
            raise WeightsError(f"{layer.name} becomes bytes, but no ReLU follows it")
        made = self._conv(layer.name, x)
        self._classes[layer.name] = made.scales
        return made

    def _fire(self, layer: Fire, x: Map) -> Map:
        squeezed = self._maps[f"{layer.name}.squeeze"] = self._conv(f"{layer.name}.squeeze", x)
        ones, threes = (
            self._conv(f"{layer.name}.{part}", squeezed) for part in ("expand1x1", "expand3x3")
        )
        own = Map(ones.scales + threes.scales, ones.zero + threes.zero)
        if layer.bypass is None:
            return own
        added = self._integers.sums.get(layer.name)
        if added is None:
            raise WeightsError(f"nothing about the sum of {layer.name}, which has a bypass")
        around = x
        if layer.bypass == "complex":
            around = self._conv(f"{layer.name}.bypass", x, stays=True)
        scales = _spread(added.scales, layer.channels, f"scales of {layer.name}")
        self._sums[layer.name] = SumPlan(
            fire=_quotients(own.scales, scales, layer.name),
            around=_quotients(around.scales, scales, layer.name),
            zero=added.zero,
            around_zero=around.zero[0],
        )
        return Map(scales, bytes([added.zero]) * layer.channels)

    def _conv(self, name: str, x: Map, stays: bool = False) -> Map:
        """Plans a convolution; gives the grid of its output, or that of its sums if they stay."""
        found = self._integers.convs.get(name)
        if found is None:
            raise WeightsError(f"nothing about {name}")
        out, *receptive = self._shapes[f"{name}.weight"]
        self._check(name, found, out, receptive)
        unit = found.weight_scales
        table = b""
        if stays:
            if count := len(found.output_scales):
                raise WeightsError(f"output_scales of {name}: {count} numbers, expected none")
            scales = scale = unit
        else:
            scales = _spread(found.output_scales, out, f"output_scales of {name}")
            scale = _quotients(unit, scales, name)
        if found.rounded:
            if stays or len(found.output_scales) != 1:
                raise WeightsError(f"{name} is rounded further, but has not one output scale")
            table = rounding_table(scales[0], found.rounded)
            scales = _spread(_floats([found.rounded[-1].scale]), out, name)
            if table == SAME:
                table = b""
        self._convs[name] = ConvPlan(x.scales, unit, found.bias, scale, x.zero, table)
        return Map(scales, bytes(out))

    def _check(self, name: str, found: ConvIntegers, out: int, receptive: list[int]) -> None:
        for field in ("weight_scales", "bias"):
            length = len(getattr(found, field))
            if length != out:
                raise WeightsError(f"{field} of {name}: {length} numbers, expected {out}")
        inputs, height, width = receptive
        if inputs * height * width * _LARGEST_PRODUCT > MAX_BIAS:
            raise WeightsError(f"{name} has {inputs} inputs, whose sum may exceed 32 bits")

    def _require_all_used(self) -> None:
        for names, used in (
            (self._integers.convs, self._convs),
            (self._integers.sums, self._sums),
        ):
            if unknown := sorted(set(names) - set(used)):
                raise WeightsError(f"{printable(unknown[0])} does not belong to the network")


def _spread(scales: array[float], channels: int, what: str) -> array[float]:
    """One scale for each channel."""
    if len(scales) not in (1, channels):
        raise WeightsError(f"{what}: {len(scales)} numbers, expected 1 or {channels}")
    return scales if len(scales) == channels else scales * channels


def _quotients(above: array[float], below: array[float], name: str) -> array[float]:
    # Of two float32 numbers, the float64 quotient rounded to float32 is the float32 quotient.
    found = _floats(a / b for a, b in zip(above, below, strict=True))
    if not all(map(isfinite, found)):
        raise WeightsError(f"the scales of {name} are too far apart")
    return found


def _floats(values: Iterable[float]) -> array[float]:
    return array("f", values)
