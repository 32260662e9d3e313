"""Finds the SqueezeNet in an ONNX graph, by what its nodes do and never by their names.

The walk goes from the graph's output to its input. Nodes that change nothing at inference are
stepped over, and so are quantisation and ReLU, which are remembered: a quantiser merges a ReLU
into the quantisation that follows it, whose zero point then lets nothing below 0 through.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqznet.errors import WeightsError
from sqznet.graph import SIMPLE_BYPASS, TOPOLOGIES
from sqznet.weights.checkpoint import RawTensor, shown
from sqznet.weights.onnx_constants import Constants, Quantized
from sqznet.weights.onnx_graph import Graph, Node

# Nodes that hand their first input on, at inference; those that only change the shape may stand
# behind the average.
_HANDED_ON = ("Identity", "Dropout", "Cast", "DequantizeLinear")
_RESHAPING = ("Reshape", "Flatten", "Squeeze")

_AVERAGES = ("GlobalAveragePool", "QLinearGlobalAveragePool", "AveragePool", "ReduceMean")
_CONVS = ("Conv", "QLinearConv")
_CONCATS = ("Concat", "QLinearConcat")
_ADDS = ("Add", "Sum", "QLinearAdd")

# Which inputs of the quantised operators are data and which is the zero point of the output.
_PAIR_INPUTS = {"Concat": (0, 1), "QLinearConcat": (2, 5), "QLinearAdd": (0, 3)}
_ZERO_POINTS = {
    "QuantizeLinear": 2,
    "QLinearConv": 7,
    "QLinearConcat": 1,
    "QLinearAdd": 7,
    "QLinearGlobalAveragePool": 4,
}

# Far more than the nodes of any SqueezeNet; a longer walk goes in circles.
_MAX_STEPS = 20_000

_DOMAINS = ("", "ai.onnx", "com.microsoft")


@dataclass(frozen=True)
class Source:
    """Where a value comes from: a node that matters, or, if that is None, an input `name`.

    relu: whether a ReLU was passed; clipped: whether a quantisation was that lets nothing below 0
    through.
    """

    node: Node | None
    name: str
    relu: bool
    clipped: bool

    @property
    def op(self) -> str:
        return self.node.op if self.node else ""

    def __str__(self) -> str:
        if self.node:
            return str(self.node)
        return f"the input {shown(self.name)}" if self.name else "nothing"


@dataclass(frozen=True)
class FoundConv:
    """A convolution: where its data comes from, its weight (OIHW) and what surrounds it."""

    node: Node
    source: Source
    shape: tuple[int, int, int, int]
    relu: bool


@dataclass(frozen=True)
class FoundFire:
    """A fire and its bypass: None, "simple" or the convolution of a complex one."""

    squeeze: FoundConv
    expand1x1: FoundConv
    expand3x3: FoundConv
    bypass: FoundConv | str | None = None

    @property
    def source(self) -> Source:
        return self.squeeze.source


@dataclass(frozen=True)
class FoundNetwork:
    """The layers of a SqueezeNet; `blocks` are fires and the nodes of pools, input first."""

    input: str
    softmax: bool
    conv1: FoundConv
    blocks: tuple[FoundFire | Node, ...]
    conv10: FoundConv
    average: Node

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
            f"no SqueezeNet 1.0 or 1.1: behind a first convolution of {kernel}x{kernel} its fires "
            f"(f) and pools (p) come as {shown(sequence)}, expected pffpffpffff with 3x3 (1.1) or "
            "pfffpffffpf with 7x7 (1.0)"
        )

    def tensors(self, constants: Constants) -> dict[str, RawTensor]:
        """Every weight and bias by torchvision's names."""
        named = {"features.0": self.conv1, "classifier.1": self.conv10}
        for place, block in enumerate(self.blocks, start=2):
            if isinstance(block, FoundFire):
                named[f"features.{place}.squeeze"] = block.squeeze
                named[f"features.{place}.expand1x1"] = block.expand1x1
                named[f"features.{place}.expand3x3"] = block.expand3x3
                if isinstance(block.bypass, FoundConv):
                    named[f"features.{place}.bypass"] = block.bypass
        made: dict[str, RawTensor] = {}
        for name, conv in named.items():
            made[f"{name}.weight"], made[f"{name}.bias"] = _parameters(conv, constants)
        return made


def find_network(graph: Graph, constants: Constants) -> FoundNetwork:
    """The SqueezeNet of a graph.

    Raises WeightsError, naming the node, where the graph is something else.
    """
    return _Walk(graph, constants).network()


class _Walk:
    def __init__(self, graph: Graph, constants: Constants) -> None:
        self._graph = graph
        self._constants = constants
        self._steps = _MAX_STEPS

    def network(self) -> FoundNetwork:
        if not self._graph.outputs:
            raise WeightsError("the ONNX graph has no output")
        last = self._source(self._graph.outputs[0], _RESHAPING)
        softmax = last.op == "Softmax"
        if last.node and softmax:
            if last.node.integer("axis", 1) not in (1, -1, -3):
                raise WeightsError(f"{last.node} is not over the classes")
            last = self._source(last.node.input(0), _RESHAPING)
        average = _expect(last, _AVERAGES, "the average over the whole map")
        self._check_average(average)
        conv10 = self._conv(self._source(average.input(0)), "the last convolution", relu=True)
        conv1, blocks = self._trunk(conv10.source)
        return FoundNetwork(conv1.source.name, softmax, conv1, blocks, conv10, average)

    def _trunk(self, at: Source) -> tuple[FoundConv, tuple[FoundFire | Node, ...]]:
        """From the last fire or pool to the first convolution, returned input first."""
        blocks: list[FoundFire | Node] = []
        while at.op not in _CONVS:
            if at.node and at.op == "MaxPool":
                blocks.append(at.node)
                at = self._source(at.node.input(0))
                continue
            fire = self._bypassed(at) if at.op in _ADDS else self._fire(at)
            blocks.append(fire)
            at = fire.source
        conv1 = self._conv(at, "the first convolution", relu=True)
        if conv1.source.node or conv1.source.name not in self._graph.inputs:
            raise WeightsError(
                f"{conv1.node} takes {conv1.source}, expected an input of the graph: "
                "preprocessing within the graph cannot be read"
            )
        return conv1, tuple(reversed(blocks))

    def _fire(self, at: Source) -> FoundFire:
        node = _expect(at, _CONCATS, "the Concat of a fire, a pool or the first convolution")
        if node.integer("axis", 1) not in (1, -3):
            raise WeightsError(f"{node} joins axis {shown(node.integer('axis', 1))}, expected 1")
        ones, threes = (
            self._conv(part, "a convolution of a fire", relu=not at.relu)
            for part in self._pair(node)
        )
        sizes = ones.shape[2:], threes.shape[2:]
        if sizes != ((1, 1), (3, 3)):
            raise WeightsError(
                f"{node} joins convolutions of {_by(*sizes[0])} and {_by(*sizes[1])}, "
                "expected 1x1 before 3x3"
            )
        if ones.source.node is not threes.source.node:
            raise WeightsError(
                f"{ones.node} takes {ones.source} and {threes.node} takes {threes.source}, "
                "expected the same squeeze convolution"
            )
        # What both take comes from the same node, but maybe not through the same ReLU.
        squeezed = min(ones.source, threes.source, key=lambda s: s.relu or s.clipped)
        return FoundFire(self._conv(squeezed, "a squeeze convolution", relu=True), ones, threes)

    def _bypassed(self, at: Source) -> FoundFire:
        """A fire with a sum around it."""
        node = at.node
        assert node is not None
        pair = self._pair(node)
        for made, other in (pair, pair[::-1]):
            if made.op not in _CONCATS:
                continue
            fire = self._fire(made)
            if other.node is not None and other.node is fire.source.node:
                return FoundFire(fire.squeeze, fire.expand1x1, fire.expand3x3, "simple")
            if other.op in _CONVS and not other.relu and not at.relu:
                bypass = self._conv(other, "the convolution of a bypass", relu=False)
                if bypass.source.node is fire.source.node:
                    return FoundFire(fire.squeeze, fire.expand1x1, fire.expand3x3, bypass)
        raise WeightsError(
            f"{node} adds {pair[0]} and {pair[1]}, expected a fire and the input of that fire, "
            "itself or through a 1x1 convolution, with no Relu behind it"
        )

    def _pair(self, node: Node) -> tuple[Source, Source]:
        """Where the two data inputs of a Concat or Add come from."""
        quantized = node.op.startswith("QLinear")
        count = {"QLinearConcat": 8, "QLinearAdd": 8}.get(node.op, 2)
        if len(node.inputs) != count:
            found = f"{len(node.inputs)} inputs"
            raise WeightsError(f"{node} has {found}, expected {count if quantized else 'two'}")
        first, second = _PAIR_INPUTS.get(node.op, (0, 1))
        return self._source(node.input(first)), self._source(node.input(second))

    def _conv(self, at: Source, role: str, relu: bool) -> FoundConv:
        """A convolution, with a ReLU behind it or without one as told."""
        node = _expect(at, _CONVS, role)
        if relu and not (at.relu or at.clipped):
            raise WeightsError(f"no Relu follows {node}, {role}")
        if node.integer("group", 1) != 1:
            raise WeightsError(f"{node} has {shown(node.integer('group', 1))} groups, expected 1")
        weight = node.input(3 if node.op == "QLinearConv" else 1)
        shape = self._constants.shape(weight, node)
        if len(shape) != 4 or min(shape) < 1 or shape[2] != shape[3]:
            raise WeightsError(
                f"the weight of {node} has the shape {shape}, expected O x I x k x k"
            )
        if node.integers("kernel_shape", shape[2:]) != shape[2:]:
            raise WeightsError(
                f"{node} says kernel_shape {list(node.integers('kernel_shape', ()))}, "
                f"but its weight is {_by(*shape[2:])}"
            )
        o, i, height, width = shape
        return FoundConv(node, self._source(node.input(0)), (o, i, height, width), at.relu)

    def _check_average(self, node: Node) -> None:
        if node.op == "ReduceMean":
            axes = node.integers("axes", ())
            if node.input(1):
                axes = self._constants.integers(node.input(1), node)
            if sorted(axis if axis >= 0 else axis + 4 for axis in axes) != [2, 3]:
                raise WeightsError(f"{node} averages axes {list(axes)}, expected [2, 3]")
        if node.integer("channels_last", 0):
            raise WeightsError(f"{node} has its channels last, expected N x C x H x W")

    def _source(self, name: str, also: tuple[str, ...] = ()) -> Source:
        """The node behind a value that is none of those handed on."""
        relu = clipped = False
        while (node := self._graph.producers.get(name)) is not None:
            self._steps -= 1
            if self._steps < 0:
                raise WeightsError("the nodes of the ONNX graph go in a circle")
            if node.domain not in _DOMAINS:
                raise WeightsError(f"{node} is of the unknown domain {shown(node.domain)}")
            if node.op in _ZERO_POINTS:
                zero_point = node.input(_ZERO_POINTS[node.op])
                clipped = clipped or self._constants.lowest(zero_point, node)
            relu = relu or node.op == "Relu"
            if node.op not in ("Relu", "QuantizeLinear", *_HANDED_ON, *also):
                break
            name = node.input(0)
        return Source(node, name, relu, clipped)


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
    simple = tuple(i for i, fire in enumerate(fires) if fire.bypass == "simple")
    complex_ = tuple(i for i, fire in enumerate(fires) if isinstance(fire.bypass, FoundConv))
    others = tuple(i for i in range(len(fires)) if i not in SIMPLE_BYPASS)
    known = {
        ((), ()): "",
        (SIMPLE_BYPASS, ()): "_simple_bypass",
        (SIMPLE_BYPASS, others): "_complex_bypass",
    }
    if (simple, complex_) not in known:
        around = ", ".join(f"fire{i + 2}" for i in sorted(simple + complex_))
        raise WeightsError(
            f"it has bypasses around {around}, expected them around fire3, 5, 7 and 9, "
            "and convolutions around the others or none"
        )
    return known[simple, complex_]


def _expect(at: Source, ops: tuple[str, ...], role: str) -> Node:
    if at.node is None or at.op not in ops:
        raise WeightsError(f"found {at}, expected {role} ({' or '.join(ops)})")
    return at.node


def _by(height: int, width: int) -> str:
    return f"{height}x{width}"
