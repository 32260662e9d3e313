"""The constant values of an ONNX graph, found through the nodes between a tensor and its use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqznet.errors import WeightsError, shown
from sqznet.weights.checkpoint import RawTensor, element_count
from sqznet.weights.grids import Quantization
from sqznet.weights.onnx import arithmetic
from sqznet.weights.onnx.graph import Graph, Node
from sqznet.weights.onnx.tensors import OnnxTensor, TensorData, integer_bounds

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

# Nodes that pass a constant on; a longer chain of them is a cycle.
_PASSED_ON = ("Identity", "Cast")
_MAX_CHAIN = 20

_UINT8 = 2
_MAX_AXES = 8

# The forms of a Constant without a tensor: the attribute's field, and the type of the result.
_CONSTANTS = {
    "value_float": ("number", "float32"),
    "value_floats": ("numbers", "float32"),
    "value_int": ("integer", "int64"),
    "value_ints": ("integers", "int64"),
}

# Limit for an activation's integers, all of which float32 represents exactly; its largest number.
_MAX_LEVELS = 1 << 16
_FLOAT32_MAX = 3.4028234663852886e38


@dataclass(frozen=True)
class Quantized:
    """An integer tensor and the values that turn it into floats.

    bounds: the range of the integers, if the tensor has floats that must first be rounded to them.
    """

    tensor: OnnxTensor
    scales: tuple[OnnxTensor, ...]
    zero_point: OnnxTensor | None
    axis: int
    bounds: tuple[int, int] | None = None


class Constants:
    """Finds the tensors for the names of a graph's values."""

    def __init__(self, graph: Graph, data: TensorData) -> None:
        self._graph = graph
        self._data = data
        self._converted: dict[tuple[str, ...], RawTensor] = {}
        self._arrays: dict[str, Array | None] = {}
        self.any_quantized = False

    def tensor(self, name: str) -> OnnxTensor | None:
        """The tensor that a value is, or None if it is computed otherwise."""
        return self._stored(name)[0]

    def required(self, name: str, node: Node) -> OnnxTensor:
        """The same for an input of `node` that must be a tensor. Raises WeightsError otherwise."""
        return _required(self.tensor(name), name, node)

    def shape(self, name: str, node: Node) -> tuple[int, ...]:
        """The shape of a weight. Raises WeightsError if the value is not a constant."""
        found = self._find(name)
        if found is None and (array := self.array(name)) is not None:
            return array.shape
        return _required(found.tensor if isinstance(found, Quantized) else found, name, node).shape

    def weight(self, name: str, node: Node) -> RawTensor:
        """A weight or bias as floats. Raises WeightsError if the value is not a constant."""
        found = self._find(name)
        if isinstance(found, Quantized):
            return self.dequantized(found, name)
        if found is None and (array := self.array(name)) is not None:
            return self.computed(array, node)
        return self._data.raw(_required(found, name, node))

    def array(self, name: str) -> Array | None:
        """The values of a constant, computed where the graph computes them; None if it is none."""
        return self._array(name, _MAX_CHAIN)

    def computed(self, values: Array, node: Node) -> RawTensor:
        """Values that were computed for `node`, as a tensor of float32."""
        import numpy as np

        self._data.spend(4 * values.size, node)
        with np.errstate(all="ignore"):  # layers refuse what is not finite
            floats = np.ascontiguousarray(values, "<f4")
        return RawTensor("float32", values.shape, floats.reshape(-1).data.cast("B"))

    def dequantized(self, found: Quantized, *key: str) -> RawTensor:
        """The floats that it represents; `key` names it and its scales."""
        self.any_quantized = True
        if key not in self._converted:
            self._converted[key] = self._data.dequantized(
                found.tensor, found.scales, found.zero_point, found.axis, found.bounds
            )
        return self._converted[key]

    def zeros(self, count: int, node: Node) -> RawTensor:
        """The bias of a convolution without one."""
        return self._data.zeros(count, str(node))

    def integers(self, name: str, node: Node) -> tuple[int, ...]:
        """A short list of integers, such as axes. Raises WeightsError if it is something else."""
        values = self.array(name)
        if values is None:
            self.required(name, node)
        if values is None or values.dtype.kind not in "iu" or values.size > _MAX_AXES:
            raise WeightsError(f"{shown(name)} of {node} is not a short list of integers")
        return tuple(int(value) for value in values.reshape(-1))

    def quantization(self, node: Node, index: int) -> Quantization:
        """The rounding of a node's activations, or of those that it reads.

        Input `index` is their scale and the next input the zero point. Raises WeightsError if these
        are not constants, or not single numbers that are valid for an activation.
        """
        low, high = self._bounds(node, index + 1)
        scale_tensor = self.required(node.input(index), node)
        scale = self._number(scale_tensor, node)
        zero_point = 0
        if node.input(index + 1):
            zero_point = int(self._number(self.required(node.input(index + 1), node), node))
        if not (scale_tensor.is_float and 0 < scale * (high - low) <= _FLOAT32_MAX):
            raise WeightsError(
                f"{node} has the scale {shown(scale)}, expected a float above 0 that stays finite "
                f"when multiplied by {high - low}"
            )
        return Quantization(scale, zero_point, low, high)

    def _bounds(self, node: Node, index: int = 2) -> tuple[int, int]:
        """The bounds of a node's input or output integers; input `index` is their zero point."""
        data_type = node.integer("output_dtype", 0) or _UINT8
        if node.input(index):
            data_type = self.required(node.input(index), node).data_type
        bounds = integer_bounds(data_type)
        if bounds is None or bounds[1] - bounds[0] >= _MAX_LEVELS:
            raise WeightsError(
                f"{node} has ONNX's element type {shown(data_type)}, "
                "expected integers of 8 or 16 bits"
            )
        return bounds

    def _number(self, tensor: OnnxTensor, node: Node) -> float:
        if element_count(tensor.shape) != 1:
            raise WeightsError(
                f"{tensor} of {node} has the shape {tensor.shape}, expected one number"
            )
        return float(self._data.numbers(tensor).reshape(-1)[0])

    def _array(self, name: str, chain: int) -> Array | None:
        if name not in self._arrays:
            self._arrays[name] = None  # for a value that depends on itself
            self._arrays[name] = self._evaluated(name, chain)
        return self._arrays[name]

    def _evaluated(self, name: str, chain: int) -> Array | None:
        if name in self._graph.tensors:
            return self._data.numbers(self._graph.tensors[name])
        node = self._graph.producers.get(name)
        if node is None or chain == 0:
            return None
        if node.op == "Constant":
            return self._constant(node)
        if node.op == "DequantizeLinear":
            found = self._dequantize(node)
            return None if found is None else floats_of(self.dequantized(found, name))
        if not arithmetic.can_compute(node):
            return None
        inputs = [self._array(read, chain - 1) if read else None for read in node.inputs]
        if any(x is None for x, read in zip(inputs, node.inputs, strict=True) if read):
            return None
        self._data.spend(arithmetic.result_bytes(node, inputs), node)
        return arithmetic.compute(node, inputs)

    def _constant(self, node: Node) -> Array | None:
        import numpy as np

        for name, attribute in node.attributes.items():
            if name == "value" and attribute.tensor:
                return self._data.numbers(attribute.tensor)
            if name in _CONSTANTS:
                field, dtype = _CONSTANTS[name]
                return np.array(getattr(attribute, field), dtype)
        return None

    def _find(self, name: str) -> OnnxTensor | Quantized | None:
        """The tensor of a value, through any of the nodes that a weight may pass."""
        tensor, node = self._stored(name)
        if tensor is None and node and node.op == "DequantizeLinear":
            return self._dequantize(node)
        return tensor

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
            if node.op not in _PASSED_ON:
                break
            name = node.input(0)
        return None, node

    def _dequantize(self, node: Node) -> Quantized | None:
        """The input of a DequantizeLinear node; None if that is not a constant of the file.

        Tools for 8-bit training leave the weights as floats, followed by a QuantizeLinear node.
        """
        tensor, maker = self._stored(node.input(0))
        bounds = None
        if tensor is None and maker and maker.op == "QuantizeLinear":
            tensor = self.tensor(maker.input(0))
            bounds = self._bounds(maker)
            if not all(self._agree(maker.input(i), node.input(i)) for i in (1, 2)):
                raise WeightsError(f"{node} has other scales than {maker}, whose integers it reads")
        if tensor is None:
            return None
        if node.integer("block_size", 0):
            raise WeightsError(f"{node} has scales for blocks, expected one for each channel")
        zero_point = self.required(node.input(2), node) if node.input(2) else None
        scale = self.required(node.input(1), node)
        return Quantized(tensor, (scale,), zero_point, node.integer("axis", 1), bounds)

    def _agree(self, first: str, second: str) -> bool:
        """Whether two values are the same constant, or both omitted."""
        pair = [self.tensor(name) for name in (first, second)]
        arrays = [self._data.numbers(tensor) for tensor in pair if tensor is not None]
        return first == second or (
            len(arrays) == 2
            and arrays[0].shape == arrays[1].shape
            and bool((arrays[0] == arrays[1]).all())
        )


def floats_of(tensor: RawTensor) -> Array:
    """The values of a tensor of floats or int8, as float32 or float64."""
    import numpy as np

    floats = tensor.floats()
    if floats.dtype == "bfloat16":
        bits = np.frombuffer(floats.data, "<u2").astype("<u4") << np.uint32(16)
        return np.asarray(bits.view("<f4")).reshape(floats.shape)
    kind = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}[floats.dtype]
    return np.frombuffer(floats.data, kind).reshape(floats.shape)


def _required(tensor: OnnxTensor | None, name: str, node: Node) -> OnnxTensor:
    if tensor is None:
        raise WeightsError(f"{node} reads {shown(name)}, which is not a constant of the file")
    return tensor
