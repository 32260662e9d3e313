"""Finds the end of a SqueezeNet in an ONNX graph: the average over the map and what follows it."""

from __future__ import annotations

from dataclasses import dataclass

from sqznet.errors import WeightsError, shown
from sqznet.weights.onnx.affine import IDENTITY, Affine
from sqznet.weights.onnx.constants import Constants
from sqznet.weights.onnx.found import NCHW, Producer
from sqznet.weights.onnx.graph import Node
from sqznet.weights.onnx.walk import Walk

# A softmax of the logarithm of a softmax is that softmax.
_ACTIVATIONS = {
    "Softmax": "softmax",
    "QLinearSoftmax": "softmax",
    "LogSoftmax": "softmax",
    "Sigmoid": "sigmoid",
}
_CLASS_AXES = (1, 3, -1, -3)
_AVERAGES = ("GlobalAveragePool", "QLinearGlobalAveragePool", "AveragePool", "ReduceMean")

#: Layers that compute the logits from the average, and the convolution that may do so too.
MATRICES = ("Gemm", "MatMul")
_LINEAR = (*MATRICES, "Conv")


@dataclass(frozen=True)
class Head:
    """activation: "softmax", "sigmoid" or None if the graph ends without one.

    linear: the layer after the average with what follows it, or None if there is none, as in the
    published networks; features: the origin of what it reads, and how that is scaled.
    average: the node; layout: the order of the axes that it reads.
    scaled, relu: what is scaled and added after the average, and whether a ReLU follows it.
    """

    activation: str | None
    average: Node
    layout: str
    linear: Producer | None = None
    features: Producer | None = None
    scaled: Affine = IDENTITY
    relu: bool = False


def find_head(walk: Walk, output: str) -> Head:
    """The end of the network whose result is the graph's value `output`."""
    at = walk.producer(output, in_tail=True)
    activation = _ACTIVATIONS.get(at.op)
    if at.node and activation:
        if at.op != "Sigmoid" and at.node.integer("axis", 1) not in _CLASS_AXES:
            raise WeightsError(f"{at.node} is not over the classes")
        if at.before.then(at.after) is not IDENTITY:
            raise WeightsError(
                f"the result of {at.node} is scaled, expected the scores as they are"
            )
        at = walk.taken(at.node, 0, in_tail=True)
    linear = features = None
    if at.node and at.op in _LINEAR:
        if at.relu or at.clipped:
            raise WeightsError(f"a ReLU follows {at.node}, after the average, expected none")
        linear = at
        at = features = walk.taken(at.node, 0, in_tail=True)
        if at.relu:
            raise WeightsError(f"{linear.node} reads {at} through a ReLU, expected the average")
        if any(map(walk.roundings.get, (linear.name, at.name))):
            raise WeightsError(
                f"{linear.node} computes with rounded numbers after the average, which sqznet "
                "cannot do; expected a float file"
            )
    node = at.node
    if node is None or node.op not in _AVERAGES:
        raise WeightsError(
            f"found {at}, expected the average over the whole map ({' or '.join(_AVERAGES)})"
        )
    scaled = at.before.then(at.after)
    if at.relu and at.before is not IDENTITY:
        raise WeightsError(f"the result of {node} is scaled before a ReLU")
    return Head(activation, node, _layout(node, walk.constants), linear, features, scaled, at.relu)


def matrix_shape(node: Node, constants: Constants) -> tuple[int, int, int, int]:
    """The shape of a Gemm's or MatMul's weight as that of a 1x1 convolution."""
    shape = constants.shape(node.input(1), node)
    if len(shape) != 2 or min(shape) < 1 or node.integer("transA", 0):
        raise WeightsError(f"{node} is not the product of the average and a matrix")
    return (*(shape if node.integer("transB", 0) else shape[::-1]), 1, 1)


def _layout(node: Node, constants: Constants) -> str:
    """The order of the axes that an average reads, of which it averages rows and columns."""
    if node.integer("channels_last", 0):
        raise WeightsError(f"{node} has its channels last, expected N x C x H x W")
    if node.op != "ReduceMean":
        return NCHW
    axes = node.integers("axes", ())
    if node.input(1):
        axes = constants.integers(node.input(1), node)
    layouts = {"[2, 3]": NCHW, "[1, 2]": "NHWC"}
    layout = layouts.get(str(sorted(axis if axis >= 0 else axis + 4 for axis in axes)))
    if layout is None:
        raise WeightsError(
            f"{node} averages the axes {shown(str(list(axes)))}, expected rows and columns, [2, 3]"
        )
    return layout
