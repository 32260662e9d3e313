"""Finds the SqueezeNet in an ONNX graph by the function of its nodes, never by their names.

The search goes from the graph's output to its input.
"""

from __future__ import annotations

from dataclasses import replace

from sqznet.errors import WeightsError, shown
from sqznet.weights.grids import Quantization
from sqznet.weights.onnx.affine import IDENTITY
from sqznet.weights.onnx.constants import Constants
from sqznet.weights.onnx.found import (
    NCHW,
    NO_PADS,
    FoundConv,
    FoundFire,
    FoundNetwork,
    FoundPool,
    Producer,
)
from sqznet.weights.onnx.graph import Graph, Node
from sqznet.weights.onnx.head import MATRICES, Head, find_head, matrix_shape
from sqznet.weights.onnx.walk import Walk

_CONVS = ("Conv", "QLinearConv", "ConvInteger")
_CONCATS = ("Concat", "QLinearConcat")
_ADDS = ("Add", "Sum", "QLinearAdd")

# The data inputs of the quantized operators; scale and zero point follow each.
_PAIR_INPUTS = {"QLinearConcat": (2, 5), "QLinearAdd": (0, 3)}


def find_network(graph: Graph, constants: Constants) -> FoundNetwork:
    """The SqueezeNet in a graph: what makes its first output that comes from one.

    Raises WeightsError, naming the node, if the graph is something else.
    """
    if not graph.outputs:
        raise WeightsError("the ONNX graph has no output")
    first: WeightsError | None = None
    for output in graph.outputs:
        try:
            return _Search(Walk(graph, constants)).network(output)
        except WeightsError as error:
            first = first or error
    assert first is not None
    raise first


class _Search:
    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._constants = walk.constants

    def network(self, output: str) -> FoundNetwork:
        head = find_head(self._walk, output)
        conv10 = self._conv10(head) if head.linear is None else self._linear(head)
        conv1, blocks = self._trunk(conv10.producer)
        return FoundNetwork(
            conv1, blocks, conv10, head.average, head.activation, self._walk.roundings
        )

    def _conv10(self, head: Head) -> FoundConv:
        """The last convolution of a network that ends in its average."""
        at = self._walk.taken(head.average, 0, head.layout)
        conv10 = self._conv(at, "the last convolution")
        _check_no_pads(at, head.average)
        if head.relu and not conv10.relu:
            raise WeightsError(f"a ReLU follows {head.average}, but none follows {conv10.node}")
        # Between the ReLU and the average, and after it: both can be exchanged with it.
        scaled = at.after.then(head.scaled)
        if conv10.relu and not (scaled.keeps_order and scaled.keeps_zero):
            raise WeightsError(
                f"the result of {conv10.node} is changed after its ReLU, expected a factor above 0 "
                "at most"
            )
        values = (at.name, head.average.outputs[0])
        if scaled is not IDENTITY and any(map(self._walk.roundings.get, values)):
            raise WeightsError(f"the result of {conv10.node} is scaled after it was rounded")
        return replace(conv10, scaled=conv10.scaled.then(scaled))

    def _linear(self, head: Head) -> FoundConv:
        """A layer after the average, which can be exchanged with a convolution before it."""
        last = head.linear
        assert last is not None
        assert last.node is not None
        producer = self._walk.taken(head.average, 0, head.layout)
        _check_no_pads(producer, head.average)
        if producer.op in _CONVS:
            raise WeightsError(
                f"{last.node} is a layer after the average of {producer}, where a SqueezeNet has "
                "only one of them"
            )
        producer = replace(producer, after=producer.after.then(head.scaled))
        scaled = last.before.then(last.after)
        if last.op in MATRICES:
            shape = matrix_shape(last.node, self._constants)
            return FoundConv(last.node, producer, shape, False, scaled)
        conv = self._conv(last, "the last layer")
        if conv.shape[2] != 1 or any(last.node.integers("pads", ())):
            raise WeightsError(f"{last.node} reads the average with pads or a kernel beyond 1x1")
        return replace(conv, producer=producer, scaled=scaled)

    def _trunk(self, at: Producer) -> tuple[FoundConv, tuple[FoundFire | FoundPool, ...]]:
        """From the last fire or pool to the first convolution; returns the blocks input first."""
        blocks: list[FoundFire | FoundPool] = []
        while at.op not in _CONVS:
            if at.node and at.op == "MaxPool":
                _check_layout(at)
                above = self._walk.producer(at.node.input(0), at.grid)
                if not (above.relu or above.op in _CONCATS):
                    # A maximum ignores zeros only among numbers that are not below them.
                    _check_no_pads(above, at.node)
                blocks.append(FoundPool(at.node, above))
                at = self._before_pool(at, above)
                continue
            fire = self._bypassed(at) if at.op in _ADDS else self._fire(at)
            blocks.append(fire)
            at = fire.producer
        conv1 = self._conv(at, "the first convolution", relu=True)
        if conv1.producer.node or conv1.producer.name not in self._walk.graph.inputs:
            raise WeightsError(
                f"{conv1.node} reads {conv1.producer}, expected an input of the graph, or nodes "
                "that scale it and reorder its axes"
            )
        return conv1, tuple(reversed(blocks))

    def _before_pool(self, pool: Producer, above: Producer) -> Producer:
        """The origin of a pool's input, with the ReLU and the scale that follow the pool: both can
        be exchanged with a maximum."""
        if pool.before is IDENTITY and not pool.relu:
            return above
        is_rounded = bool(self._walk.roundings.get(above.name))
        if pool.before is not IDENTITY:
            if above.relu or above.clipped or is_rounded or not pool.before.keeps_order:
                raise WeightsError(f"the result of {pool} is scaled before its ReLU")
            above = replace(above, before=above.after.then(pool.before), after=IDENTITY)
        return replace(above, relu=True) if pool.relu else above

    def _fire(self, at: Producer) -> FoundFire:
        node = _expect(at, _CONCATS, "the Concat of a fire, a pool or the first convolution")
        if node.integer("axis", 1) % 4 != at.layout.index("C"):
            raise WeightsError(
                f"{node} joins axis {shown(node.integer('axis', 1))}, "
                f"expected {at.layout.index('C')}"
            )
        pair = self._pair(node, at.grid, at.layout)
        ones, threes = (
            self._conv(part, "a convolution of a fire", relu=not at.relu) for part in pair
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
        parts = pair[0].after, pair[1].after
        if at.relu and not all(
            part.relu or part.clipped or part.after is IDENTITY for part in pair
        ):
            raise WeightsError(f"what {node} joins is scaled after it was rounded")
        if at.before is not IDENTITY:
            if any(part.relu or part.clipped for part in pair) or parts != (IDENTITY, IDENTITY):
                raise WeightsError(f"the result of {node} is scaled before another ReLU")
            first = ones.shape[0]
            own = at.before.part(0, first), at.before.part(first, first + threes.shape[0])
            ones, threes = (
                replace(conv, scaled=conv.scaled.then(more))
                for conv, more in zip((ones, threes), own, strict=True)
            )
        if not ones.producer.before.same(threes.producer.before):
            raise WeightsError(f"{ones.node} and {threes.node} read their input scaled differently")
        # Both read the same node, but maybe not through the same ReLU.
        squeezed = min(ones.producer, threes.producer, key=lambda s: s.relu or s.clipped)
        squeeze = self._conv(squeezed, "a squeeze convolution", relu=True)
        return FoundFire(squeeze, ones, threes, node, parts)

    def _bypassed(self, at: Producer) -> FoundFire:
        """A fire with an addition around it."""
        node = at.node
        assert node is not None
        pair = self._pair(node, None, at.layout)
        for made, other in (pair, pair[::-1]):
            if made.op not in _CONCATS:
                continue
            fire = self._fire(made)
            added = made.after, other.after
            if other.node is not None and other.node is fire.producer.node:
                _check_same_scale(node, other, fire)
                return replace(fire, bypass="simple", add=node, added=added)
            if other.op in _CONVS and not other.relu and not at.relu:
                bypass = self._conv(other, "the convolution of a bypass", relu=False)
                if bypass.producer.node is fire.producer.node:
                    _check_same_scale(node, bypass.producer, fire)
                    return replace(fire, bypass=bypass, add=node, added=added)
        raise WeightsError(
            f"{node} adds {pair[0]} and {pair[1]}, expected a fire and the input of that fire, "
            "itself or through a 1x1 convolution, with no Relu after it"
        )

    def _pair(
        self, node: Node, grid: Quantization | None, layout: str
    ) -> tuple[Producer, Producer]:
        """The origins of the two data inputs of a Concat or Add; `grid`: of its output."""
        quantized = node.op in _PAIR_INPUTS
        count = 8 if quantized else 2
        if len(node.inputs) != count:
            found = f"{len(node.inputs)} inputs"
            raise WeightsError(f"{node} has {found}, expected {count if quantized else 'two'}")
        if not quantized:
            first, second = (self._walk.producer(name, grid, layout) for name in node.inputs)
        else:
            first, second = (self._walk.taken(node, i, layout) for i in _PAIR_INPUTS[node.op])
        for part in (first, second):
            _check_no_pads(part, node)
        return first, second

    def _conv(self, at: Producer, role: str, relu: bool = False) -> FoundConv:
        """A convolution with or without a ReLU after it; `relu`: whether it must have one."""
        node = _expect(at, _CONVS, role)
        _check_layout(at)
        if relu and not (at.relu or at.clipped):
            raise WeightsError(f"no Relu follows {node}, {role}")
        if node.integer("group", 1) != 1:
            raise WeightsError(f"{node} has {shown(node.integer('group', 1))} groups, expected 1")
        if node.op == "ConvInteger" and at.scaled_by != node.input(0):
            raise WeightsError(f"{node} is not scaled by the scale of the integers that it reads")
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
        producer = self._walk.taken(node, 0)
        return FoundConv(node, producer, (o, i, height, width), at.relu or at.clipped, at.before)


def _check_same_scale(node: Node, around: Producer, fire: FoundFire) -> None:
    if not around.before.same(fire.producer.before):
        raise WeightsError(f"{node} adds {around} scaled differently from the input of the fire")


def _check_no_pads(at: Producer, node: Node) -> None:
    if at.pads != NO_PADS:
        raise WeightsError(f"{node} reads the result of {at} with zeros around it")


def _check_layout(at: Producer) -> None:
    if at.layout != NCHW:
        raise WeightsError(
            f"the axes of the result of {at} are reordered, expected them in the order NCHW"
        )


def _expect(at: Producer, ops: tuple[str, ...], role: str) -> Node:
    if at.node is None or at.op not in ops:
        raise WeightsError(f"found {at}, expected {role} ({' or '.join(ops)})")
    return at.node


def _by(height: int, width: int) -> str:
    return f"{height}x{width}"
