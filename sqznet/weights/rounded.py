"""The integers of a network whose file rounds its activations.

If a file rounds all that its convolutions read to 8 bits, and their weights are 8-bit integers, the
network can run on integers, with the file's own scales. Otherwise the rounding is imitated in
float32 (`sqznet.engine.rounded_layers`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping

from sqznet.errors import WeightsError
from sqznet.network.layers import INPUT, Classifier, Conv, Fire, MaxPool, Network
from sqznet.quantization.description import MAX_BIAS, ConvIntegers, Grid, Integers, SumIntegers
from sqznet.quantization.plan import plan
from sqznet.weights.checkpoint import Checkpoint, RawTensor
from sqznet.weights.grids import DynamicQuantization, Quantization
from sqznet.weights.integers import integers_text

Rounding = Quantization | DynamicQuantization

# The units of sums. Smaller or larger ones could leave float32's range when they are combined.
_SMALLEST, _LARGEST = 1e-25, 1e25

# The largest integer of a bias whose channel has no weights but zeros.
_LONE_BIAS = 1 << 20


class _InexpressibleError(Exception):
    """Why 8-bit integers cannot be the network of a file."""


def with_integers(checkpoint: Checkpoint) -> Checkpoint:
    """The same checkpoint, with the integers that it rounds to; or, in its reasons and warnings,
    why it must be imitated in float32."""
    try:
        made = _Reader(checkpoint.network(), checkpoint.tensors, checkpoint.activations).integers
    except _InexpressibleError as error:
        why = str(error)
    else:
        reasons = {**checkpoint.reasons, "precision": "run on integers"}
        return checkpoint._replace(integers_text=integers_text(made), reasons=reasons)
    return checkpoint._replace(
        integers_text=None,
        reasons={
            **checkpoint.reasons,
            "precision": "dequantized to float32",
            "integers": f"the file's rounding cannot run on integers: {why}",
        },
        warnings=(
            *checkpoint.warnings,
            "int8 weights are kept as floats, exactly, and activations are rounded as in the file; "
            f"this is slower than a float file, and needed because {why}",
        ),
    )


class _Reader:
    """Makes ``integers``, layer by layer."""

    def __init__(
        self,
        network: Network,
        tensors: Mapping[str, RawTensor],
        activations: Mapping[str, tuple[Rounding, ...]],
    ) -> None:
        self._tensors = tensors
        self._activations = activations
        self._convs: dict[str, ConvIntegers] = {}
        self._sums: dict[str, SumIntegers] = {}
        grid = self._input()
        scale, zero = grid.scale, -grid.lowest
        layers = network.layers
        for index, layer in enumerate(layers):
            after = []
            for below in layers[index + 1 :]:
                if not isinstance(below, MaxPool):
                    break
                # A maximum and a rounding can be exchanged.
                after.append(below.name)
            if isinstance(layer, Conv):
                scale, zero = self._conv(scale, layer.name, after, zero), 0
            elif isinstance(layer, Fire):
                scale = self._fire(scale, layer, after)
            elif isinstance(layer, Classifier):
                self._classifier(scale, layer)
        self.integers = Integers(
            mean=(float(-grid.lowest),) * 3,
            std=(1 / grid.scale,) * 3,
            convs=self._convs,
            sums=self._sums,
            limits=(0, grid.highest - grid.lowest),
            logits=tuple(self._grids("average", most=1 << 16)),
        )
        try:
            plan(network, self.integers)
        except WeightsError as error:
            raise _InexpressibleError(str(error)) from None

    def _input(self) -> Grid:
        grids = self._grids(INPUT)
        if len(grids) != 1:
            found = "several times" if grids else "not"
            raise _InexpressibleError(f"the network's input is {found} rounded")
        if not _SMALLEST <= grids[0].scale <= 1e6:
            raise _InexpressibleError(f"the scale of the network's input is {grids[0].scale:g}")
        return grids[0]

    def _fire(self, scale: float, layer: Fire, after: list[str]) -> float:
        name = layer.name
        if layer.bypass == "complex":
            raise _InexpressibleError("its bypasses have convolutions")
        squeezed = self._conv(scale, f"{name}.squeeze", [])
        joined = [f"{name}.concat", *(after if layer.bypass is None else [])]
        first, second = (
            self._conv(squeezed, f"{name}.{part}", joined) for part in ("expand1x1", "expand3x3")
        )
        if layer.bypass is not None:
            return self._sum(name, after)
        if first != second:
            raise _InexpressibleError(f"the two halves of {name} have different scales")
        return first

    def _sum(self, name: str, after: list[str]) -> float:
        """Adds the sum of a fire and its input; returns its scale."""
        grids = _after_relu(
            grid for place in (f"{name}.add", *after) for grid in self._grids(place)
        )
        if len(grids) != 1 or grids[0].highest < 255:
            raise _InexpressibleError(f"the sum of {name} is not rounded once, to 256 numbers")
        self._sums[name] = SumIntegers(array("f", [grids[0].scale]), 0)
        return grids[0].scale

    def _classifier(self, scale: float, layer: Classifier) -> None:
        if not self._activations.get(layer.name):
            self._convs[layer.name] = self._made(scale, layer.name, 0)
        elif layer.relu:
            self._conv(scale, layer.name, [])
        else:
            raise _InexpressibleError(f"no ReLU follows {layer.name}, whose output is rounded")

    def _conv(self, scale: float, name: str, after: Iterable[str], zero: int = 0) -> float:
        """Adds a convolution with a ReLU whose input has this scale and zero point; returns the
        scale of its output, after the roundings at the places ``after`` it."""
        grids = _after_relu(grid for place in (name, *after) for grid in self._grids(place))
        if not grids:
            raise _InexpressibleError(f"the output of {name} is not rounded")
        # A convolution itself rounds to 256 numbers.
        further = grids if grids[0].highest < 255 else grids[1:]
        self._convs[name] = self._made(scale, name, zero)._replace(
            output_scales=array("f", [grids[0].scale]), rounded=tuple(further)
        )
        return grids[-1].scale

    def _made(self, scale: float, name: str, zero: int) -> ConvIntegers:
        """Weight scales and bias of a convolution, for an input of this scale and zero point."""
        import numpy as np

        weight = self._tensors[f"{name}.weight"]
        if weight.dtype != "int8" or weight.scales is None or weight.input_scales is not None:
            raise _InexpressibleError(
                f"the weights of {name} are not 8-bit integers with the zero point 0"
            )
        rows = np.frombuffer(weight.data, np.int8).reshape(weight.shape[0], -1)
        if rows.min(initial=0) < -127:
            raise _InexpressibleError(f"the weights of {name} have the integer -128")
        floats = self._tensors[f"{name}.bias"].floats()
        if floats.dtype != "float32":
            raise _InexpressibleError(f"the bias of {name} is {floats.dtype}")
        bias = np.frombuffer(floats.data, "<f4").astype(np.float64)
        units = np.frombuffer(weight.scales, "<f4").astype(np.float64) * scale
        lone = ~rows.any(axis=1) | (units == 0)
        rows = np.where(lone[:, None], 0, rows)
        units[lone] = np.maximum(np.abs(bias[lone]) / _LONE_BIAS, _SMALLEST)
        units = units.astype(np.float32).astype(np.float64)
        if not (
            np.isfinite(bias).all() and (units >= _SMALLEST).all() and (units <= _LARGEST).all()
        ):
            raise _InexpressibleError(f"the scales of {name} are too large or too small")
        numbers = np.rint(bias / units) - zero * rows.sum(axis=1, dtype=np.int64)
        if np.abs(numbers).max() > MAX_BIAS:
            raise _InexpressibleError(f"the bias of {name} is too large for its scales")
        return ConvIntegers(
            array("f", units.tolist()), array("i", numbers.astype(np.int64).tolist()), array("f")
        )

    def _grids(self, place: str, most: int = 255) -> list[Grid]:
        grids = []
        for rounding in self._activations.get(place, ()):
            if isinstance(rounding, DynamicQuantization):
                raise _InexpressibleError("it rounds each photo to a range of its own")
            if rounding.high - rounding.low > most:
                raise _InexpressibleError(f"it rounds {place} to more than 8 bits")
            zero = rounding.zero_point
            grids.append(Grid(rounding.scale, rounding.low - zero, rounding.high - zero))
        return _without_repeats(grids)


def _after_relu(grids: Iterable[Grid]) -> list[Grid]:
    """Nothing is below 0 there."""
    return _without_repeats(grid._replace(lowest=0) for grid in grids)


def _without_repeats(grids: Iterable[Grid]) -> list[Grid]:
    """Rounding to the same grid once more changes nothing."""
    found: list[Grid] = []
    for grid in grids:
        if found[-1:] != [grid]:
            found.append(grid)
    return found
