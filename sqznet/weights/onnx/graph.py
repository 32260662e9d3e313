"""The graph of an ONNX file as plain objects: nodes, tensors, inputs and outputs.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

from sqznet.errors import MAX_SHOWN, WeightsError, printable, shown
from sqznet.weights.checkpoint import MAX_DIMENSIONS
from sqznet.weights.onnx.tensors import OnnxTensor, parse_entry, parse_tensor
from sqznet.weights.protobuf import MessageReader, Value, content, packed_varints, signed, text

#: The oldest file version and the operator sets whose meaning this reader knows.
OLDEST_IR_VERSION = 3
OPSETS = range(7, 29)

_STANDARD_DOMAINS = ("", "ai.onnx")

# A dimension that is named or unspecified.
_OPEN = 0

# No attribute that this reader needs is longer; other content of a node is ignored.
_TEXT_LIMIT, _INTEGERS_LIMIT, _NUMBERS_LIMIT = 100, 16, 16


@dataclass(frozen=True)
class Attribute:
    """An AttributeProto: the kinds of value that SqueezeNet's nodes have."""

    integer: int = 0
    integers: tuple[int, ...] = ()
    number: float = 0.0
    numbers: tuple[float, ...] = ()
    text: str = ""
    tensor: OnnxTensor | None = None


@dataclass(frozen=True)
class Node:
    """A NodeProto; str() gives its name for messages."""

    op: str
    name: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]

    def __str__(self) -> str:
        label = self.name or (self.outputs[0] if self.outputs else "")
        return f"the {printable(self.op, MAX_SHOWN)} node {shown(label)}"

    def input(self, index: int) -> str:
        """The name of an input, "" if it is omitted."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def integer(self, name: str, default: int) -> int:
        attribute = self.attributes.get(name)
        return default if attribute is None else attribute.integer

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        attribute = self.attributes.get(name)
        return default if attribute is None else attribute.integers

    def number(self, name: str, default: float) -> float:
        attribute = self.attributes.get(name)
        return default if attribute is None else attribute.number

    def numbers(self, name: str) -> tuple[float, ...]:
        attribute = self.attributes.get(name)
        return () if attribute is None else attribute.numbers

    def text(self, name: str, default: str) -> str:
        attribute = self.attributes.get(name)
        return default if attribute is None else attribute.text


class GraphInput(NamedTuple):
    """An input: its ONNX element type and its shape; an unspecified dimension is 0."""

    data_type: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """A GraphProto, with its nodes by the values that they produce; inputs: without the tensors."""

    producers: Mapping[str, Node]
    tensors: Mapping[str, OnnxTensor]
    inputs: Mapping[str, GraphInput]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """A ModelProto. opset: the version of the standard operators."""

    graph: Graph
    opset: int
    metadata: Mapping[str, str] = field(default_factory=dict)


def parse_model(view: memoryview) -> Model:
    """The whole file. Raises WeightsError if it is damaged or its version is unsupported."""
    reader = MessageReader()
    version, opset = 0, 0
    metadata: dict[str, str] = {}
    graph: Graph | None = None
    for key, value in reader.fields(view):
        if key == 1:
            version = signed(value)
        elif key == 7:
            if graph is not None:
                raise WeightsError("the ONNX file has two graphs")
            graph = _graph(reader, content(value))
        elif key == 8:
            domain, number = _opset(reader, content(value))
            if domain in _STANDARD_DOMAINS:
                opset = number
        elif key == 14:
            name, entry = parse_entry(reader, content(value))
            metadata[name] = entry
    if graph is None:
        raise WeightsError("the ONNX file has no graph; it was cut short, or is something else")
    if version < OLDEST_IR_VERSION:
        raise WeightsError(
            f"an ONNX file of IR version {shown(version)}, expected {OLDEST_IR_VERSION} or newer"
        )
    if opset not in OPSETS:
        raise WeightsError(
            f"an ONNX file of operator set {shown(opset)}, expected {OPSETS[0]} to {OPSETS[-1]}"
        )
    return Model(graph, opset, metadata)


def _opset(reader: MessageReader, message: memoryview) -> tuple[str, int]:
    domain, version = "", 0
    for key, value in reader.fields(message):
        if key == 1:
            domain = text(value)
        elif key == 2:
            version = signed(value)
    return domain, version


def _graph(reader: MessageReader, message: memoryview) -> Graph:
    producers: dict[str, Node] = {}
    tensors: dict[str, OnnxTensor] = {}
    inputs: dict[str, GraphInput] = {}
    outputs: list[str] = []
    for key, value in reader.fields(message):
        if key == 1:
            for node in _plain(_node(reader, content(value))):
                for name in filter(None, node.outputs):
                    if name in producers:
                        raise WeightsError(f"two nodes produce the value {shown(name)}")
                    producers[name] = node
        elif key == 5:
            tensor = parse_tensor(reader, content(value))
            if tensor.name in tensors:
                raise WeightsError(f"two tensors have the name {shown(tensor.name)}")
            tensors[tensor.name] = tensor
        elif key == 11:
            name, given = _value_info(reader, content(value))
            inputs[name] = given
        elif key == 12:
            outputs.append(_value_info(reader, content(value))[0])
    for name in producers:
        if name in tensors or name in inputs:
            raise WeightsError(f"the value {shown(name)} is both given and produced by a node")
    # Files of IR version 3 list the tensors among the inputs.
    inputs = {name: given for name, given in inputs.items() if name not in tensors}
    return Graph(producers, tensors, inputs, tuple(outputs))


def _node(reader: MessageReader, message: memoryview) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    texts = {3: "", 4: "", 7: ""}
    attributes: dict[str, Attribute] = {}
    for key, value in reader.fields(message):
        if key == 1:
            inputs.append(text(value))
        elif key == 2:
            outputs.append(text(value))
        elif key in texts:
            texts[key] = text(value)
        elif key == 5:
            name, attribute = _attribute(reader, content(value))
            attributes[name] = attribute
    return Node(texts[4], texts[3], texts[7], tuple(inputs), tuple(outputs), attributes)


def _plain(node: Node) -> Iterator[Node]:
    """The node, or the nodes that onnxruntime's optimizer joined in a FusedConv: a convolution, the
    addition of its fourth input, and an activation
    (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md)."""
    if node.op != "FusedConv" or not node.outputs:
        yield node
        return
    activation = node.text("activation", "")
    steps = ["Conv", *(["Add"] if node.input(3) else []), *([activation] if activation else [])]
    read = node.inputs[:3]
    for number, op in enumerate(steps, start=1):
        # A file that has such a name itself is refused, like any with two nodes for one value.
        made = node.outputs[0] + ("" if number == len(steps) else "\n\n" + "+" * number)
        yield replace(node, op=op, domain="", inputs=read, outputs=(made,))
        read = (made, node.input(3)) if steps[number : number + 1] == ["Add"] else (made,)


def _attribute(reader: MessageReader, message: memoryview) -> tuple[str, Attribute]:
    name, integer, string, number = "", 0, "", 0.0
    integers: list[int] = []
    numbers: list[float] = []
    tensor: OnnxTensor | None = None
    for key, value in reader.fields(message):
        if key == 1:
            name = text(value)
        elif key == 2:
            (number,) = _floats(value) or (0.0,)
        elif key == 3:
            integer = signed(value)
        elif key == 4:
            string = str(content(value)[:_TEXT_LIMIT], "utf-8", "replace")
        elif key == 5:
            tensor = parse_tensor(reader, content(value))
        elif key == 7:
            numbers += _floats(value)[: _NUMBERS_LIMIT - len(numbers)]
        elif key == 8:
            integers += islice(packed_varints(value), _INTEGERS_LIMIT - len(integers))
    return name, Attribute(integer, tuple(integers), number, tuple(numbers), string, tensor)


def _floats(value: Value) -> tuple[float, ...]:
    """One occurrence of a float field, packed or not; no more than this reader needs."""
    data = content(value)[: 4 * _NUMBERS_LIMIT]
    return struct.unpack(f"<{data.nbytes // 4}f", data[: data.nbytes // 4 * 4])


def _value_info(reader: MessageReader, message: memoryview) -> tuple[str, GraphInput]:
    """A ValueInfoProto: its name and, if it is a tensor, its type and its shape, if known."""
    name = ""
    given = GraphInput(0, ())
    for key, value in reader.fields(message):
        if key == 1:
            name = text(value)
        elif key == 2:
            given = _type(reader, content(value))
    return name, given


def _type(reader: MessageReader, message: memoryview) -> GraphInput:
    """The content of a TypeProto, nested as type, tensor type, shape, dimension."""
    data_type = 0
    shape: list[int] = []
    for kind, tensor_type in reader.fields(message):
        if kind != 1:
            continue
        for part, dimensions in reader.fields(content(tensor_type)):
            if part == 1:
                data_type = signed(dimensions)
            if part != 2:
                continue
            for _, dimension in reader.fields(content(dimensions)):
                sizes = [signed(v) for key, v in reader.fields(content(dimension)) if key == 1]
                shape.append(max(_OPEN, *sizes) if sizes else _OPEN)
                if len(shape) > MAX_DIMENSIONS:
                    raise WeightsError(f"an input or output has {len(shape)} dimensions or more")
    return GraphInput(data_type, tuple(shape))
