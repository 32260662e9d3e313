"""The constant values of an ONNX graph: whatever nodes stand between a tensor and its use."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqznet.errors import WeightsError
from sqznet.weights.checkpoint import RawTensor, element_count, shown
from sqznet.weights.onnx_graph import Graph, Node
from sqznet.weights.onnx_tensors import OnnxTensor, TensorData

# Nodes that hand a constant on; a longer chain of them is a circle.
_HANDED_ON = ("Identity", "Cast")
_MAX_CHAIN = 20

_UINT8 = 2
_MAX_AXES = 8


@dataclass(frozen=True)
class Quantized:
    """An integer tensor and what makes floats of it."""

    tensor: OnnxTensor
    scales: tuple[OnnxTensor, ...]
    zero_point: OnnxTensor | None
    axis: int


class Constants:
    """Finds the tensors behind the names of a graph's values."""

    def __init__(self, graph: Graph, data: TensorData) -> None:
        self._graph = graph
        self._data = data
        self._converted: dict[tuple[str, ...], RawTensor] = {}
        self.any_quantized = False

    def tensor(self, name: str) -> OnnxTensor | None:
        """The tensor that a value is, None if it is computed in another way."""
        return self._stored(name)[0]

    def required(self, name: str, node: Node) -> OnnxTensor:
        """The same for an input of `node` that must be one. Raises WeightsError if it is none."""
        return _required(self.tensor(name), name, node)

    def shape(self, name: str, node: Node) -> tuple[int, ...]:
        """The shape of a weight. Raises WeightsError if the value is no constant."""
        found = self._find(name)
        return _required(found.tensor if isinstance(found, Quantized) else found, name, node).shape

    def weight(self, name: str, node: Node) -> RawTensor:
        """A weight or bias as floats. Raises WeightsError if the value is no constant."""
        found = self._find(name)
        if isinstance(found, Quantized):
            return self.dequantized(found, name)
        return self._data.raw(_required(found, name, node))

    def dequantized(self, source: Quantized, *key: str) -> RawTensor:
        """The floats of an integer tensor; `key` names it and its scales."""
        self.any_quantized = True
        if key not in self._converted:
            self._converted[key] = self._data.dequantized(
                source.tensor, source.scales, source.zero_point, source.axis
            )
        return self._converted[key]

    def zeros(self, count: int, node: Node) -> RawTensor:
        """The bias of a convolution that has none."""
        return self._data.zeros(count, str(node))

    def integers(self, name: str, node: Node) -> tuple[int, ...]:
        """A short list of integers, such as axes. Raises WeightsError if it is something else."""
        tensor = self.required(name, node)
        if tensor.is_float or element_count(tensor.shape) > _MAX_AXES:
            raise WeightsError(f"{tensor} of {node} is no short list of integers")
        return tuple(int(value) for value in self._data.numbers(tensor).reshape(-1))

    def lowest(self, name: str, node: Node) -> bool:
        """Whether a zero point is the lowest value of its type, so that nothing below 0 passes."""
        if not name:
            return node.integer("output_dtype", _UINT8) == _UINT8
        return self.integers(name, node) == (self.required(name, node).lowest,)

    def _find(self, name: str) -> OnnxTensor | Quantized | None:
        """The tensor that a value is made of, by any of the nodes that a weight may pass."""
        for _ in range(_MAX_CHAIN):
            tensor, node = self._stored(name)
            if tensor is not None or node is None:
                return tensor
            if node.op == "DequantizeLinear":
                quantized = self._dequantize(node)
                if quantized is not None:
                    return quantized
            elif node.op != "QuantizeLinear":
                return None
            name = node.input(0)
        return None

    def _stored(self, name: str) -> tuple[OnnxTensor | None, Node | None]:
        """The tensor that a value is, or else the node that computes it."""
        node: Node | None = None
        for _ in range(_MAX_CHAIN):
            if name in self._graph.tensors:
                return self._graph.tensors[name], None
            node = self._graph.producers.get(name)
            if node is None:
                break
            if node.op == "Constant" and (value := node.attributes.get("value")) and value.tensor:
                return replace(value.tensor, name=name), None
            if node.op not in _HANDED_ON:
                break
            name = node.input(0)
        return None, node

    def _dequantize(self, node: Node) -> Quantized | None:
        """What a DequantizeLinear node reads; None if that is no constant of the file."""
        tensor = self.tensor(node.input(0))
        if tensor is None:
            return None
        if node.integer("block_size", 0):
            raise WeightsError(f"{node} has scales for blocks, expected one for each channel")
        zero_point = self.required(node.input(2), node) if node.input(2) else None
        scale = self.required(node.input(1), node)
        return Quantized(tensor, (scale,), zero_point, node.integer("axis", 1))


def _required(tensor: OnnxTensor | None, name: str, node: Node) -> OnnxTensor:
    if tensor is None:
        raise WeightsError(f"{node} takes {shown(name)}, which is no constant of the file")
    return tensor
