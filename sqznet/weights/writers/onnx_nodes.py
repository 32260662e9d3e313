"""The nodes and tensors of a SqueezeNet in an ONNX file: of floats, or of 8-bit integers."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping

from sqznet.network.layers import (
    INPUT,
    Classifier,
    Conv,
    Fire,
    Joined,
    MaxPool,
    Network,
    PaddedConv,
)
from sqznet.quantization.description import Integers, little_endian
from sqznet.quantization.plan import plan
from sqznet.weights.checkpoint import RawTensor
from sqznet.weights.writers import onnx_messages as messages

_ONE, _ZERO = "one", "zero"


class FloatNodes:
    """``finished``: the nodes in order, each with one output that has its name; ``tensors``: all
    that they read. The tensors keep their names and precisions: one that is not float32 goes
    through a Cast. ``outputs``: the names of the values that the heads give.

    Branches that share a layer have nodes of their own for it, with the names of their outputs.
    """

    def __init__(self, network: Network, tensors: Mapping[str, RawTensor]) -> None:
        self.finished: list[bytes] = []
        self.tensors: list[bytes] = []
        self._stored = tensors
        self._read: set[str] = set()
        values = {INPUT: self._input("input")}
        names = iter(network.map_names)
        for branch in network.branches:
            x = values[branch.input]
            for layer in branch.layers:
                self._place = next(names).removeprefix(layer.name)
                x = values[layer.name] = _WRITE[type(layer)](self, layer, x)
            values[branch.output] = x
        self.outputs = [values[name] for name in network.outputs]

    def _input(self, x: str) -> str:
        return x

    def _stem(self, layer: Conv, x: str) -> str:
        return self._conv(layer.name, x, layer.kernel, layer.stride, layer.padding, layer.relu)

    def _padded_conv(self, layer: PaddedConv, x: str) -> str:
        y = self._conv(layer.name, x, kernel=3, padding=1, relu=layer.relu)
        return self._output("Identity", layer.name, y)

    def _joined(self, layer: Joined, x: str) -> str:
        parts = [self._conv(part.name, x, relu=part.relu, rounds=False) for part in layer.parts]
        return self._output("Concat", layer.name, *parts, axis=1)

    def _max_pool(self, layer: MaxPool, x: str) -> str:
        windows = {"kernel_shape": (3, 3), "strides": (2, 2)}
        name = f"{layer.name}.pool"
        y = self._output("MaxPool", name, x, **windows, ceil_mode=int(layer.ceil_mode))
        return self._rounded(y)

    def _classifier(self, layer: Classifier, x: str) -> str:
        value = self._conv(layer.name, x, padding=layer.padding, relu=layer.relu, rounds=False)
        value = self._add("GlobalAveragePool", "average", value)
        return self._add("Flatten", "logits", value, axis=1)

    def _fire(self, fire: Fire, x: str) -> str:
        squeezed = self._conv(f"{fire.name}.squeeze", x)
        expanded1x1 = self._conv(f"{fire.name}.expand1x1", squeezed)
        expanded3x3 = self._conv(f"{fire.name}.expand3x3", squeezed, kernel=3, padding=1)
        joined = self._output("Concat", f"{fire.name}.concat", expanded1x1, expanded3x3, axis=1)
        value = self._rounded(joined)
        if fire.bypass is None:
            return value
        around = x
        if fire.bypass == "complex":
            around = self._conv(f"{fire.name}.bypass", x, relu=False)
        return self._output("Add", f"{fire.name}.add", around, value)

    def _conv(
        self,
        name: str,
        x: str,
        kernel: int = 1,
        stride: int = 1,
        padding: int = 0,
        relu: bool = True,
        rounds: bool = True,
    ) -> str:
        value = self._output(
            "Conv",
            f"{name}.conv",
            x,
            *self._parameters(name),
            kernel_shape=(kernel, kernel),
            strides=(stride, stride),
            pads=(padding,) * 4,
        )
        if relu:
            value = self._output("Relu", f"{name}.relu", value)
        return self._rounded(value) if rounds else value

    def _parameters(self, name: str) -> tuple[str, str]:
        """The names of a convolution's weight and bias, as floats."""
        return self._floats(f"{name}.weight"), self._floats(f"{name}.bias")

    def _floats(self, name: str) -> str:
        if name in self._read:
            return name
        self._read.add(name)
        tensor = self._stored[name]
        if tensor.dtype == "float32":
            return self._constant(name, tensor.dtype, tensor.shape, tensor.data)
        stored = self._constant(f"{name}.stored", tensor.dtype, tensor.shape, tensor.data)
        return self._add("Cast", name, stored, to=messages.FLOAT)

    def _rounded(self, x: str) -> str:
        """The output of a layer, as the next one reads it."""
        return x

    def _constant(
        self, name: str, dtype: str, shape: tuple[int, ...], data: bytes | memoryview
    ) -> str:
        self.tensors.append(messages.tensor(name, dtype, shape, data))
        return name

    def _output(self, op: str, name: str, *inputs: str, **attributes: int | tuple[int, ...]) -> str:
        """A node of the layer that is written, in its branch."""
        return self._add(op, name + self._place, *inputs, **attributes)

    def _add(self, op: str, name: str, *inputs: str, **attributes: int | tuple[int, ...]) -> str:
        self.finished.append(messages.node(op, name, *inputs, **attributes))
        return name


_WRITE: Mapping[type, Callable[..., str]] = {
    Conv: FloatNodes._stem,
    MaxPool: FloatNodes._max_pool,
    Fire: FloatNodes._fire,
    Classifier: FloatNodes._classifier,
    Joined: FloatNodes._joined,
    PaddedConv: FloatNodes._padded_conv,
}


def integers_fit(network: Network, integers: Integers) -> bool:
    """Whether `IntegerNodes` can write such a network: gray levels have no common zero point that
    could surround them, and sums of bytes are written as floats only."""
    has_bypass = any(isinstance(layer, Fire) and layer.bypass for layer in network.layers)
    return not (has_bypass or network.padding or plan(network, integers).rounds_again)


class IntegerNodes(FloatNodes):
    """The same with pairs of QuantizeLinear and DequantizeLinear around each layer (QDQ), from
    which engines make integer operations.

    The unit of all activations is that of their byte, so that the two halves of a fire can be
    joined as they are. Weights and biases have the scale that makes bytes of the sums, as in
    `sqznet.quantization`; the last ones, that of the logits. The input is turned back into the gray
    levels that it was made of.
    """

    def __init__(
        self, network: Network, tensors: Mapping[str, RawTensor], integers: Integers
    ) -> None:
        self._integers = integers
        self._plan = plan(network, integers)
        super().__init__(network, tensors)

    def _input(self, x: str) -> str:
        self._constant(_ONE, "float32", (), little_endian(array("f", [1.0])))
        self._constant(_ZERO, "uint8", (), bytes(1))
        for op, name in (("Mul", "std"), ("Add", "mean")):
            levels = little_endian(array("f", getattr(self._integers, name)))
            x = self._add(
                op, f"input.{name}", x, self._constant(name, "float32", (1, 3, 1, 1), levels)
            )
        return self._rounded(x)

    def _parameters(self, name: str) -> tuple[str, str]:
        if name in self._read:
            return f"{name}.weight", f"{name}.bias"
        self._read.add(name)
        weight, found = self._stored[f"{name}.weight"], self._plan.convs[name]
        assert weight.dtype == "int8"
        channels = (len(found.bias),)
        scale = self._constant(f"{name}.scale", "float32", channels, little_endian(found.scale))
        weights = self._constant(f"{name}.weight.integers", "int8", weight.shape, weight.data)
        biases = self._constant(
            f"{name}.bias.integers", "int32", channels, little_endian(found.bias)
        )
        return (
            self._add("DequantizeLinear", f"{name}.weight", weights, scale, axis=0),
            self._add("DequantizeLinear", f"{name}.bias", biases, scale, axis=0),
        )

    def _rounded(self, x: str) -> str:
        integers = self._add("QuantizeLinear", f"{x}.integers", x, _ONE, _ZERO)
        return self._add("DequantizeLinear", f"{x}.rounded", integers, _ONE, _ZERO)
