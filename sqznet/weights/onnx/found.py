"""The layers of a SqueezeNet in an ONNX graph, each with its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqznet.errors import WeightsError, shown
from sqznet.network.variants import TOPOLOGIES
from sqznet.weights.grids import DynamicQuantization, Quantization
from sqznet.weights.onnx.affine import IDENTITY, Affine
from sqznet.weights.onnx.graph import Node
from sqznet.weights.recognition import bypass_suffix

#: The order of a map's axes that ONNX's layers expect.
NCHW = "NCHW"

#: Rows above, columns on the left, rows below, columns on the right.
Pads = tuple[int, int, int, int]
NO_PADS: Pads = (0, 0, 0, 0)

Rounding = Quantization | DynamicQuantization


@dataclass(frozen=True)
class Producer:
    """The origin of a value: a layer's node or, if that is None, an input `name`; and what lies
    between the two.

    relu: whether a ReLU was passed; clipped: whether a quantization that clips at 0 was passed;
    grid: the meaning of the value's integers, if it has integers.
    before, after: what is scaled and added before the ReLUs and roundings, and after them.
    layout: the order of the origin's axes; is_flipped: whether its channels are read in reverse
    order, before the ReLUs and `after`; pads: zeros around it.
    scaled_by: the integers of the DynamicQuantizeLinear whose scale was multiplied.
    """

    node: Node | None
    name: str
    relu: bool
    clipped: bool
    grid: Quantization | None
    before: Affine = IDENTITY
    after: Affine = IDENTITY
    layout: str = NCHW
    is_flipped: bool = False
    pads: Pads = NO_PADS
    scaled_by: str = ""

    @property
    def op(self) -> str:
        return self.node.op if self.node else ""

    def __str__(self) -> str:
        if self.node:
            return str(self.node)
        return f"the input {shown(self.name)}" if self.name else "nothing"


@dataclass(frozen=True)
class FoundConv:
    """A convolution: the origin of its input, the shape of its weight (OIHW), its ReLU, and what
    the graph scales and adds between the two."""

    node: Node
    producer: Producer
    shape: tuple[int, int, int, int]
    relu: bool
    scaled: Affine = IDENTITY


@dataclass(frozen=True)
class FoundPool:
    """A max pool and the origin of its input."""

    node: Node
    producer: Producer


@dataclass(frozen=True)
class FoundFire:
    """A fire and its bypass: None, "simple" or the convolution of a complex bypass.

    parts: what is scaled and added between the two expand convolutions and the concatenation.
    added: the same between the concatenation and the addition, and between the bypass and it.
    """

    squeeze: FoundConv
    expand1x1: FoundConv
    expand3x3: FoundConv
    concat: Node
    parts: tuple[Affine, Affine]
    bypass: FoundConv | str | None = None
    add: Node | None = None
    added: tuple[Affine, Affine] = (IDENTITY, IDENTITY)

    @property
    def producer(self) -> Producer:
        return self.squeeze.producer


@dataclass(frozen=True)
class FoundNetwork:
    """The layers of a SqueezeNet; `blocks` are fires and pools, input first.

    conv10: the last convolution or, after the average, a linear layer. activation: "softmax" or
    "sigmoid" if the graph ends in one, else None. roundings: of values, by their names in the
    graph.
    """

    conv1: FoundConv
    blocks: tuple[FoundFire | FoundPool, ...]
    conv10: FoundConv
    average: Node
    activation: str | None
    roundings: Mapping[str, tuple[Rounding, ...]]

    @property
    def input(self) -> Producer:
        """The graph's input and what happens to it before the first convolution."""
        return self.conv1.producer

    @property
    def pools(self) -> list[FoundPool]:
        return [block for block in self.blocks if isinstance(block, FoundPool)]

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

    @property
    def activations(self) -> dict[str, tuple[Rounding, ...]]:
        """The graph's roundings of values, as in `Checkpoint.activations`."""
        nodes = {name: conv.node for name, conv in self.convolutions.items()}
        nodes["average"] = self.average
        for place, block in enumerate(self.blocks, start=2):
            if isinstance(block, FoundPool):
                nodes[f"features.{place}"] = block.node
                continue
            nodes[f"features.{place}.concat"] = block.concat
            if block.add:
                nodes[f"features.{place}.add"] = block.add
        values = {
            "input": self.input.name,
            **{name: node.outputs[0] for name, node in nodes.items()},
        }
        return {
            name: roundings
            for name, value in values.items()
            if (roundings := self.roundings.get(value))
        }


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
