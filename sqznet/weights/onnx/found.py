"""The layers of a SqueezeNet in an ONNX graph, each with its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqznet.errors import WeightsError, shown
from sqznet.network.variants import TOPOLOGIES
from sqznet.weights.checkpoint import Quantization, RawTensor
from sqznet.weights.onnx.constants import Constants, Quantized
from sqznet.weights.onnx.graph import Node
from sqznet.weights.recognition import bypass_suffix


@dataclass(frozen=True)
class Producer:
    """The origin of a value: a relevant node or, if that is None, an input `name`.

    relu: whether a ReLU was passed; clipped: whether a quantization that clips at 0 was passed;
    grid: the meaning of the value's integers, if it has integers.
    """

    node: Node | None
    name: str
    relu: bool
    clipped: bool
    grid: Quantization | None

    @property
    def op(self) -> str:
        return self.node.op if self.node else ""

    def __str__(self) -> str:
        if self.node:
            return str(self.node)
        return f"the input {shown(self.name)}" if self.name else "nothing"


@dataclass(frozen=True)
class FoundConv:
    """A convolution: the origin of its input, the shape of its weight (OIHW) and its ReLU."""

    node: Node
    producer: Producer
    shape: tuple[int, int, int, int]
    relu: bool


@dataclass(frozen=True)
class FoundFire:
    """A fire and its bypass: None, "simple" or the convolution of a complex bypass."""

    squeeze: FoundConv
    expand1x1: FoundConv
    expand3x3: FoundConv
    concat: Node
    bypass: FoundConv | str | None = None
    add: Node | None = None

    @property
    def producer(self) -> Producer:
        return self.squeeze.producer


@dataclass(frozen=True)
class FoundNetwork:
    """The layers of a SqueezeNet; `blocks` are fires and the nodes of pools, input first.

    roundings: of values, by their names in the graph.
    """

    input: str
    softmax: bool
    conv1: FoundConv
    blocks: tuple[FoundFire | Node, ...]
    conv10: FoundConv
    average: Node
    roundings: Mapping[str, tuple[Quantization, ...]]

    @property
    def pools(self) -> list[Node]:
        return [block for block in self.blocks if isinstance(block, Node)]

    @property
    def variant(self) -> str:
        """The name of the network. Raises WeightsError if pools or bypasses are misplaced."""
        fires = [
            (place, block)
            for place, block in enumerate(self.blocks, start=2)
            if isinstance(block, FoundFire)
        ]
        positions = tuple(place for place, _ in fires)
        for base, topology in TOPOLOGIES.items():
            if positions == topology.fires and self.conv1.shape[2] == topology.kernel:
                return base + _bypass_suffix([fire for _, fire in fires])
        kernel = self.conv1.shape[2]
        sequence = "".join("f" if isinstance(block, FoundFire) else "p" for block in self.blocks)
        raise WeightsError(
            f"not a SqueezeNet 1.0 or 1.1: after a first convolution of {kernel}x{kernel}, its "
            f"fires (f) and pools (p) are {shown(sequence)}, expected pffpffpffff with 3x3 (1.1) "
            "or pfffpffffpf with 7x7 (1.0)"
        )

    @property
    def convolutions(self) -> dict[str, FoundConv]:
        """The convolutions by torchvision's names."""
        named = {"features.0": self.conv1, "classifier.1": self.conv10}
        for place, block in enumerate(self.blocks, start=2):
            if isinstance(block, FoundFire):
                named[f"features.{place}.squeeze"] = block.squeeze
                named[f"features.{place}.expand1x1"] = block.expand1x1
                named[f"features.{place}.expand3x3"] = block.expand3x3
                if isinstance(block.bypass, FoundConv):
                    named[f"features.{place}.bypass"] = block.bypass
        return named

    def tensors(self, constants: Constants) -> dict[str, RawTensor]:
        """Every weight and bias by torchvision's names."""
        made: dict[str, RawTensor] = {}
        for name, conv in self.convolutions.items():
            made[f"{name}.weight"], made[f"{name}.bias"] = _parameters(conv, constants)
        return made

    @property
    def activations(self) -> dict[str, tuple[Quantization, ...]]:
        """The graph's roundings of values, as in `Checkpoint.activations`."""
        nodes = {name: conv.node for name, conv in self.convolutions.items()}
        nodes["average"] = self.average
        for place, block in enumerate(self.blocks, start=2):
            if isinstance(block, Node):
                nodes[f"features.{place}"] = block
                continue
            nodes[f"features.{place}.concat"] = block.concat
            if block.add:
                nodes[f"features.{place}.add"] = block.add
        values = {"input": self.input, **{name: node.outputs[0] for name, node in nodes.items()}}
        return {
            name: roundings
            for name, value in values.items()
            if (roundings := self.roundings.get(value))
        }


def _parameters(conv: FoundConv, constants: Constants) -> tuple[RawTensor, RawTensor]:
    """Weight and bias of a convolution as floats."""
    node = conv.node
    if node.op == "QLinearConv":
        scale, zero_point = node.input(4), node.input(5)
        scales = constants.required(scale, node)
        points = constants.required(zero_point, node) if zero_point else None
        tensor = constants.required(node.input(3), node)
        weight = constants.dequantized(
            Quantized(tensor, (scales,), points, 0), node.input(3), scale, zero_point
        )
        if node.input(8):
            both = (constants.required(node.input(1), node), scales)
            tensor = constants.required(node.input(8), node)
            bias = constants.dequantized(
                Quantized(tensor, both, None, 0), node.input(8), node.input(1), scale
            )
            return weight, bias
    else:
        weight = constants.weight(node.input(1), node)
        if node.input(2):
            return weight, constants.weight(node.input(2), node)
    return weight, constants.zeros(conv.shape[0], node)


def _bypass_suffix(fires: list[FoundFire]) -> str:
    kinds = ["complex" if isinstance(fire.bypass, FoundConv) else fire.bypass for fire in fires]
    suffix = bypass_suffix(kinds)
    if suffix is None:
        around = ", ".join(f"fire{i}" for i, kind in enumerate(kinds, 2) if kind)
        raise WeightsError(
            f"it has bypasses around {around}, expected them around fire3, 5, 7 and 9, "
            "and convolutions around the others or none"
        )
    return suffix
