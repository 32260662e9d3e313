"""Finds the SqueezeNet in an ONNX graph by the function of its nodes, never by their names.

The search goes from the graph's output to its input. It skips nodes that change nothing at
inference. It also skips quantization and ReLU, but remembers them: quantizers merge a ReLU into the
quantization that follows it, whose zero point then clips at 0. Rounding and ReLU can be exchanged,
because quantization preserves 0 and the order of numbers.
"""

from __future__ import annotations

from dataclasses import replace

from sqznet.errors import WeightsError, shown
from sqznet.weights.checkpoint import Quantization
from sqznet.weights.onnx.constants import Constants
from sqznet.weights.onnx.found import FoundConv, FoundFire, FoundNetwork, Producer
from sqznet.weights.onnx.graph import Graph, Node

# Nodes that pass on their first input at inference; nodes that only change the shape may follow the
# average.
_PASSED_ON = ("Identity", "Dropout", "Cast", "Relu", "QuantizeLinear", "DequantizeLinear")
_RESHAPING = ("Reshape", "Flatten", "Squeeze")

_SOFTMAXES = ("Softmax", "QLinearSoftmax")
_AVERAGES = ("GlobalAveragePool", "QLinearGlobalAveragePool", "AveragePool", "ReduceMean")
_CONVS = ("Conv", "QLinearConv")
_CONCATS = ("Concat", "QLinearConcat")
_ADDS = ("Add", "Sum", "QLinearAdd")

# The data inputs of the quantized operators; scale and zero point follow each.
_PAIR_INPUTS = {"QLinearConcat": (2, 5), "QLinearAdd": (0, 3)}
# The input with the scale of the output; its zero point follows.
_OUTPUT_SCALES = {
    "QuantizeLinear": 1,
    "QLinearConv": 6,
    "QLinearConcat": 0,
    "QLinearAdd": 6,
    "QLinearGlobalAveragePool": 3,
    "QLinearSoftmax": 3,
}
# These may read integers and then produce integers with the same scale.
_OF_ANY_TYPE = ("MaxPool", "Concat")

# A value is quantized once, or twice if a ReLU was not merged.
_MAX_ROUNDINGS = 4

# Far more than the nodes of any SqueezeNet; a longer search is in a cycle.
_MAX_STEPS = 20_000

_DOMAINS = ("", "ai.onnx", "com.microsoft")


def find_network(graph: Graph, constants: Constants) -> FoundNetwork:
    """The SqueezeNet in a graph.

    Raises WeightsError, naming the node, if the graph is something else.
    """
    return _Walk(graph, constants).network()


class _Walk:
    def __init__(self, graph: Graph, constants: Constants) -> None:
        self._graph = graph
        self._constants = constants
        self._steps = _MAX_STEPS
        self._roundings: dict[str, tuple[Quantization, ...]] = {}

    def network(self) -> FoundNetwork:
        if not self._graph.outputs:
            raise WeightsError("the ONNX graph has no output")
        last = self._producer(self._graph.outputs[0], _RESHAPING)
        softmax = last.op in _SOFTMAXES
        if last.node and softmax:
            if last.node.integer("axis", 1) not in (1, -1, -3):
                raise WeightsError(f"{last.node} is not over the classes")
            last = self._taken(last.node, 0, _RESHAPING)
        average = _expect(last, _AVERAGES, "the average over the whole map")
        self._check_average(average)
        conv10 = self._conv(self._taken(average, 0), "the last convolution", relu=True)
        conv1, blocks = self._trunk(conv10.producer)
        start = conv1.producer.name
        return FoundNetwork(start, softmax, conv1, blocks, conv10, average, self._roundings)

    def _trunk(self, at: Producer) -> tuple[FoundConv, tuple[FoundFire | Node, ...]]:
        """From the last fire or pool to the first convolution; returns the blocks input first."""
        blocks: list[FoundFire | Node] = []
        while at.op not in _CONVS:
            if at.node and at.op == "MaxPool":
                blocks.append(at.node)
                at = self._producer(at.node.input(0), grid=at.grid)
                continue
            fire = self._bypassed(at) if at.op in _ADDS else self._fire(at)
            blocks.append(fire)
            at = fire.producer
        conv1 = self._conv(at, "the first convolution", relu=True)
        if conv1.producer.node or conv1.producer.name not in self._graph.inputs:
            raise WeightsError(
                f"{conv1.node} reads {conv1.producer}, expected an input of the graph: "
                "preprocessing in the graph is not supported"
            )
        return conv1, tuple(reversed(blocks))

    def _fire(self, at: Producer) -> FoundFire:
        node = _expect(at, _CONCATS, "the Concat of a fire, a pool or the first convolution")
        if node.integer("axis", 1) not in (1, -3):
            raise WeightsError(f"{node} joins axis {shown(node.integer('axis', 1))}, expected 1")
        ones, threes = (
            self._conv(part, "a convolution of a fire", relu=not at.relu)
            for part in self._pair(node, at.grid)
        )
        sizes = ones.shape[2:], threes.shape[2:]
        if sizes != ((1, 1), (3, 3)):
            raise WeightsError(
                f"{node} joins convolutions of {_by(*sizes[0])} and {_by(*sizes[1])}, "
                "expected 1x1 before 3x3"
            )
        if ones.producer.node is not threes.producer.node:
            raise WeightsError(
                f"{ones.node} reads {ones.producer} and {threes.node} reads {threes.producer}, "
                "expected the same squeeze convolution"
            )
        # Both read the same node, but maybe not through the same ReLU.
        squeezed = min(ones.producer, threes.producer, key=lambda s: s.relu or s.clipped)
        squeeze = self._conv(squeezed, "a squeeze convolution", relu=True)
        return FoundFire(squeeze, ones, threes, node)

    def _bypassed(self, at: Producer) -> FoundFire:
        """A fire with an addition around it."""
        node = at.node
        assert node is not None
        pair = self._pair(node, None)
        for made, other in (pair, pair[::-1]):
            if made.op not in _CONCATS:
                continue
            fire = self._fire(made)
            if other.node is not None and other.node is fire.producer.node:
                return replace(fire, bypass="simple", add=node)
            if other.op in _CONVS and not other.relu and not at.relu:
                bypass = self._conv(other, "the convolution of a bypass", relu=False)
                if bypass.producer.node is fire.producer.node:
                    return replace(fire, bypass=bypass, add=node)
        raise WeightsError(
            f"{node} adds {pair[0]} and {pair[1]}, expected a fire and the input of that fire, "
            "itself or through a 1x1 convolution, with no Relu after it"
        )

    def _pair(self, node: Node, grid: Quantization | None) -> tuple[Producer, Producer]:
        """The origins of the two data inputs of a Concat or Add; `grid`: of its output."""
        quantized = node.op in _PAIR_INPUTS
        count = 8 if quantized else 2
        if len(node.inputs) != count:
            found = f"{len(node.inputs)} inputs"
            raise WeightsError(f"{node} has {found}, expected {count if quantized else 'two'}")
        if not quantized:
            first, second = (self._producer(name, grid=grid) for name in node.inputs)
            return first, second
        first, second = (self._taken(node, index) for index in _PAIR_INPUTS[node.op])
        return first, second

    def _conv(self, at: Producer, role: str, relu: bool) -> FoundConv:
        """A convolution with or without a ReLU after it."""
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
        return FoundConv(node, self._taken(node, 0), (o, i, height, width), at.relu)

    def _check_average(self, node: Node) -> None:
        if node.op == "ReduceMean":
            axes = node.integers("axes", ())
            if node.input(1):
                axes = self._constants.integers(node.input(1), node)
            if sorted(axis if axis >= 0 else axis + 4 for axis in axes) != [2, 3]:
                raise WeightsError(f"{node} averages axes {list(axes)}, expected [2, 3]")
        if node.integer("channels_last", 0):
            raise WeightsError(f"{node} has its channels last, expected N x C x H x W")

    def _taken(self, node: Node, index: int, also: tuple[str, ...] = ()) -> Producer:
        """The origin of a node's input, which is a float or has its scale in the next input."""
        is_quantized = node.op.startswith("QLinear")
        grid = self._constants.quantization(node, index + 1) if is_quantized else None
        return self._producer(node.input(index), also, grid)

    def _producer(
        self, name: str, also: tuple[str, ...] = (), grid: Quantization | None = None
    ) -> Producer:
        """The first node before a value that is not skipped; `grid`: of the value's integers."""
        relu = clipped = False
        roundings: list[Quantization] = []
        while (node := self._graph.producers.get(name)) is not None:
            self._steps -= 1
            if self._steps < 0:
                raise WeightsError("the nodes of the ONNX graph form a cycle")
            if node.domain not in _DOMAINS:
                raise WeightsError(f"{node} has the unknown domain {shown(node.domain)}")
            if node.op in _OUTPUT_SCALES:
                made = self._constants.quantization(node, _OUTPUT_SCALES[node.op])
                _check_same(node, made, grid)
                grid = None
                clipped = clipped or made.zero_point == made.low
                if roundings[:1] != [made]:
                    roundings.insert(0, made)
            elif node.op == "DequantizeLinear":
                if grid:
                    raise WeightsError(f"{node} produces floats, expected integers")
                grid = self._constants.quantization(node, 1)
            elif node.op == "Relu":
                if grid and grid.zero_point:
                    raise WeightsError(f"{node} reads integers with zero point {grid.zero_point}")
                relu = True
            if node.op not in (*_PASSED_ON, *also):
                break
            name = node.input(0)
        producer = Producer(node, name, relu, clipped, grid)
        if grid and producer.op not in _OF_ANY_TYPE:
            raise WeightsError(f"{producer} produces floats, expected integers")
        self._remember(producer, tuple(roundings))
        return producer

    def _remember(self, producer: Producer, roundings: tuple[Quantization, ...]) -> None:
        if len(roundings) > _MAX_ROUNDINGS:
            raise WeightsError(f"{producer} is quantized {len(roundings)} times in a row")
        if self._roundings.setdefault(producer.name, roundings) != roundings:
            raise WeightsError(
                f"{producer} is quantized in one way for one node and in another way for the next, "
                "expected the same for all nodes that read it"
            )


def _check_same(node: Node, made: Quantization, taken: Quantization | None) -> None:
    if taken and (made.scale, made.zero_point) != (taken.scale, taken.zero_point):
        raise WeightsError(
            f"{node} produces integers with the scale {made.scale:.6g} and the zero point "
            f"{made.zero_point}, but they are read with {taken.scale:.6g} and {taken.zero_point}"
        )


def _expect(at: Producer, ops: tuple[str, ...], role: str) -> Node:
    if at.node is None or at.op not in ops:
        raise WeightsError(f"found {at}, expected {role} ({' or '.join(ops)})")
    return at.node


def _by(height: int, width: int) -> str:
    return f"{height}x{width}"
