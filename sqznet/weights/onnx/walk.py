"""Follows a value of an ONNX graph back to the layer that makes it, and keeps what lies between.

It passes nodes that change nothing at inference. It also passes ReLU, quantization, constants that
scale or add, and a change of the axes' order, but remembers them. Quantizers merge a ReLU into the
quantization that follows it, whose zero point then clips at 0. Rounding and ReLU can be exchanged,
because quantization preserves 0 and the order of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqznet.errors import WeightsError, shown
from sqznet.weights.grids import DynamicQuantization, Quantization
from sqznet.weights.onnx.affine import IDENTITY, Affine, affine_node
from sqznet.weights.onnx.constants import Constants
from sqznet.weights.onnx.found import NCHW, NO_PADS, Pads, Producer, Rounding
from sqznet.weights.onnx.graph import Graph, Node
from sqznet.weights.onnx.tensors import FLOAT_TYPES

# Nodes that pass on their first input at inference; after the average over the map, nodes that only
# change the shape do too.
_PASSED_ON = ("Identity", "Dropout", "Cast", "Relu", "QuantizeLinear", "DequantizeLinear")
_RESHAPING = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "ZipMap")

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

_CONVS = ("Conv", "ConvInteger", "QLinearConv")

# A value is quantized once, or twice if a ReLU was not merged.
_MAX_ROUNDINGS = 4

# Far more than the nodes of any SqueezeNet; a longer search is in a cycle.
_MAX_STEPS = 20_000

_DOMAINS = ("", "ai.onnx", "com.microsoft", "ai.onnx.ml")

# Domains of nodes that another program can turn into standard ones.
_ADVICE = (
    (
        ("com.microsoft.nchwc", "com.ms.internal"),
        "onnxruntime saved it optimized for one kind of processor; save it with the optimization "
        "level ORT_ENABLE_EXTENDED or lower, or take the original file",
    ),
    (
        ("pkg.",),
        "it calls functions of the exporter; replace them with onnx.inliner.inline_local_functions",
    ),
)

_OTHER_FILE = "take the float file that was quantized"
_ROUNDED_BEFORE = "changes a value after it was rounded, expected a ReLU at most"


@dataclass
class _Path:
    """What was passed so far, on the way up. after, before: what is scaled and added after and
    before the ReLUs and roundings."""

    layout: str
    relu: bool = False
    clipped: bool = False
    after: Affine = IDENTITY
    before: Affine = IDENTITY
    is_barred: bool = False
    is_flipped: bool = False
    pads: Pads = NO_PADS
    roundings: list[Rounding] = field(default_factory=list)
    dynamic: str = ""

    def rectify(self, node: Node) -> None:
        if not (self.before.keeps_zero and self.before.keeps_order):
            raise WeightsError(f"{node} comes before another ReLU, with a scale or shift between")
        self.relu = self.is_barred = True

    def round(self, node: Node, rounding: Rounding) -> None:
        if self.before is not IDENTITY:
            raise WeightsError(f"a node after {node} {_ROUNDED_BEFORE}")
        self.is_barred = True
        if self.roundings[:1] != [rounding]:
            self.roundings.insert(0, rounding)

    def scale(self, affine: Affine) -> None:
        if self.is_flipped:
            affine = affine.flipped()
        if self.is_barred:
            self.before = affine.then(self.before)
        else:
            self.after = affine.then(self.after)

    def turn(self, node: Node) -> None:
        """Passes a Transpose: output axis i is input axis perm[i]."""
        perm = node.integers("perm", (3, 2, 1, 0))
        if sorted(perm) != [0, 1, 2, 3]:
            raise WeightsError(f"{node} has the perm {list(perm)}, expected an order of four axes")
        self.layout = "".join(self.layout[perm.index(axis)] for axis in range(4))

    def pad(self, node: Node, pads: tuple[int, ...]) -> None:
        """Passes a Pad with zeros: the pads before each axis, then those after each."""
        if not self.after.then(self.before).keeps_zero:
            raise WeightsError(f"a node after {node} adds to its zeros, expected it before")
        before = {axis: pads[i] for i, axis in enumerate(self.layout)}
        behind = {axis: pads[i + 4] for i, axis in enumerate(self.layout)}
        if any(pads_of[axis] for pads_of in (before, behind) for axis in "NC"):
            raise WeightsError(f"{node} has the pads {list(pads)}, expected rows and columns only")
        more = (before["H"], before["W"], behind["H"], behind["W"])
        top, left, bottom, right = (a + b for a, b in zip(self.pads, more, strict=True))
        self.pads = top, left, bottom, right


class Walk:
    """Walks up one graph. Attribute ``roundings``: of values, by their names in the graph."""

    def __init__(self, graph: Graph, constants: Constants) -> None:
        self.graph = graph
        self.constants = constants
        self.roundings: dict[str, tuple[Rounding, ...]] = {}
        self._steps = _MAX_STEPS

    def taken(self, node: Node, index: int, layout: str = NCHW, in_tail: bool = False) -> Producer:
        """The origin of a node's input, which is a float or has its scale in the next input."""
        is_quantized = node.op.startswith("QLinear")
        grid = self.constants.quantization(node, index + 1) if is_quantized else None
        return self.producer(node.input(index), grid, layout, in_tail)

    def producer(
        self,
        name: str,
        grid: Quantization | None = None,
        layout: str = NCHW,
        in_tail: bool = False,
    ) -> Producer:
        """The first node before a value that is not passed.

        grid: of the value's integers; layout: the order of its axes; in_tail: whether the average
        over the map comes before it, so that it is one number for each class.
        """
        path = _Path(layout)
        while (node := self.graph.producers.get(name)) is not None:
            self._steps -= 1
            if self._steps < 0:
                raise WeightsError("the nodes of the ONNX graph form a cycle")
            _check_domain(node)
            if node.op in _OUTPUT_SCALES:
                made = self.constants.quantization(node, _OUTPUT_SCALES[node.op])
                _check_same(node, made, grid)
                grid = None
                path.clipped = path.clipped or made.zero_point == made.low
                path.round(node, made)
            elif node.op == "DequantizeLinear":
                if grid:
                    raise WeightsError(f"{node} produces floats, expected integers")
                grid = self.constants.quantization(node, 1)
            read = self._passed(node, name, path, grid, in_tail)
            if read is None:
                break
            name = read
        if path.is_flipped and node is not None:
            raise WeightsError(f"a node after {node} reverses its channels, expected none inside")
        if node is not None and path.dynamic and node.op != "ConvInteger":
            raise WeightsError(
                f"{node} is scaled by a number that the graph computes, expected a ConvInteger; "
                + _OTHER_FILE
            )
        if node is not None and node.op in _CONVS and not path.is_barred:
            # Its own result, even if no ReLU shows where it ends.
            path.before, path.after = path.after, IDENTITY
        producer = Producer(
            node,
            name,
            path.relu,
            path.clipped,
            grid,
            path.before,
            path.after,
            path.layout,
            path.is_flipped,
            path.pads,
            path.dynamic,
        )
        if grid and producer.op not in _OF_ANY_TYPE:
            raise WeightsError(f"{producer} produces floats, expected integers")
        self._remember(producer, tuple(path.roundings))
        return producer

    def _passed(
        self, node: Node, name: str, path: _Path, grid: Quantization | None, in_tail: bool
    ) -> str | None:
        """The value before a node that can be passed, after noting what it does; else None."""
        if node.op in _PASSED_ON:
            if node.op == "Relu":
                if grid and grid.zero_point:
                    raise WeightsError(f"{node} reads integers with zero point {grid.zero_point}")
                path.rectify(node)
            elif node.op == "Cast" and node.integer("to", 1) not in FLOAT_TYPES:
                return None
            return node.input(0)
        if in_tail and node.op in _RESHAPING:
            return node.input(0)
        if in_tail and node.op == "Pad":
            return None
        if node.op in ("Clip", "Max") and self._is_relu(node):
            path.rectify(node)
            return node.input(0)
        if node.op == "DynamicQuantizeLinear" and name == node.outputs[0]:
            path.round(node, DynamicQuantization())
            return node.input(0)
        if grid:
            return None
        channel_axis = None if in_tail else path.layout.index("C")
        affine = affine_node(node, self.constants, channel_axis)
        affine = affine or (node.op == "Mul" and self._dynamic_scale(node, path)) or None
        if affine:
            path.scale(affine[1])
            return affine[0]
        if node.op == "Transpose":
            path.turn(node)
        elif node.op == "Pad":
            path.pad(node, self._zero_pads(node))
        elif node.op in ("Gather", "Slice") and self._is_flip(node, path.layout.index("C")):
            path.is_flipped = not path.is_flipped
        else:
            return None
        return node.input(0)

    def _is_relu(self, node: Node) -> bool:
        """Whether a Clip has only a lower bound, 0, or a Max compares with 0."""
        if node.op == "Max":
            zero = self.constants.array(node.input(1)) if len(node.inputs) == 2 else None
            return zero is not None and zero.size == 1 and zero.item() == 0
        low, high = node.number("min", -1.0), node.number("max", 1e38)
        for index in (1, 2):
            if node.input(index):
                value = self.constants.array(node.input(index))
                if value is None or value.size != 1:
                    return False
                low, high = (
                    (float(value.item()), high) if index == 1 else (low, float(value.item()))
                )
        return low == 0 and high >= 1e30

    def _dynamic_scale(self, node: Node, path: _Path) -> tuple[str, Affine] | None:
        """What a Mul scales by a constant and by the scale of a DynamicQuantizeLinear node."""
        for place in (0, 1):
            number, name = IDENTITY, node.input(place)
            maker = self.graph.producers.get(name)
            if maker and maker.op == "Mul":
                found = affine_node(maker, self.constants, None)
                if found is None:
                    continue
                name, number = found
                maker = self.graph.producers.get(name)
            if maker and maker.op == "DynamicQuantizeLinear" and maker.outputs[1:2] == (name,):
                path.dynamic = maker.outputs[0]
                return node.input(1 - place), number
        return None

    def _zero_pads(self, node: Node) -> tuple[int, ...]:
        pads = node.integers("pads", ())
        if node.input(1):
            pads = self.constants.integers(node.input(1), node)
        value = self.constants.array(node.input(2)) if node.input(2) else None
        constant = node.number("value", 0.0) if value is None else float(value.reshape(-1)[0])
        is_unknown = node.input(2) and value is None
        mode = node.text("mode", "constant")
        if mode != "constant" or constant or is_unknown or node.input(3) or len(pads) != 8:
            raise WeightsError(f"{node} is not a pad of zeros around rows and columns")
        return pads

    def _is_flip(self, node: Node, channel_axis: int) -> bool:
        """Whether a node reverses the order of three channels."""
        if node.op == "Gather":
            order = self.constants.array(node.input(1))
            axis = node.integer("axis", 0) % 4
            return axis == channel_axis and order is not None and [*order.reshape(-1)] == [2, 1, 0]
        if not all(node.input(index) for index in (1, 2, 3, 4)):
            return False
        lists = (self.constants.integers(node.input(i), node) for i in (1, 2, 3, 4))
        cuts = list(zip(*lists, strict=False))
        turned = [axis % 4 for start, end, axis, step in cuts if step != 1]
        is_whole = all(
            start == 0 and end >= 1 << 30 if step == 1 else start in (-1, 2) and end < -3
            for start, end, axis, step in cuts
        )
        return turned == [channel_axis] and is_whole and (-1 in [cut[3] for cut in cuts])

    def _remember(self, producer: Producer, roundings: tuple[Rounding, ...]) -> None:
        if len(roundings) > _MAX_ROUNDINGS:
            raise WeightsError(f"{producer} is quantized {len(roundings)} times in a row")
        if self.roundings.setdefault(producer.name, roundings) != roundings:
            raise WeightsError(
                f"{producer} is quantized in one way for one node and in another way for the next, "
                f"expected the same for all nodes that read it; {_OTHER_FILE}"
            )


def _check_domain(node: Node) -> None:
    if node.domain in _DOMAINS:
        return
    for starts, advice in _ADVICE:
        if node.domain.startswith(starts):
            raise WeightsError(f"{node} has the domain {shown(node.domain)}: {advice}")
    raise WeightsError(f"{node} has the unknown domain {shown(node.domain)}")


def _check_same(node: Node, made: Quantization, taken: Quantization | None) -> None:
    if taken and (made.scale, made.zero_point) != (taken.scale, taken.zero_point):
        raise WeightsError(
            f"{node} produces integers with the scale {made.scale:.6g} and the zero point "
            f"{made.zero_point}, but they are read with {taken.scale:.6g} and {taken.zero_point}"
        )
