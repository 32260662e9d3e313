"""Writes small valid or invalid ONNX files by hand, without the onnx library."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sqznet.network.variants import SIMPLE_BYPASS, TOPOLOGIES

from . import networks

Array = Any

FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64 = range(1, 8)
FLOAT16, DOUBLE, BFLOAT16 = 10, 11, 16
TYPES = {
    "float32": FLOAT,
    "uint8": UINT8,
    "int8": INT8,
    "uint16": UINT16,
    "int16": INT16,
    "int32": INT32,
    "int64": INT64,
    "float16": FLOAT16,
    "float64": DOUBLE,
}
TYPED_FIELDS = {FLOAT: 4, INT64: 7, DOUBLE: 10}


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def entry(number: int, value: int | float | str | bytes) -> bytes:
    """One field of a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def setting(number: int, key: str, value: str) -> bytes:
    return entry(number, entry(1, key) + entry(2, value))


@dataclass
class Storage:
    """How tensors are written: "raw", "packed" or "unpacked" typed data, or "external"."""

    kind: str = "raw"
    dtype: str = "float32"
    external: bytearray = field(default_factory=bytearray)
    location: str = "weights.data"

    def tensor(self, name: str, array: Array) -> bytes:
        """A TensorProto."""
        code = TYPES[str(array.dtype)]
        data = np.ascontiguousarray(array).tobytes()
        if code == FLOAT and self.dtype == "bfloat16":
            code, data = BFLOAT16, bfloat16(array).tobytes()
        elif code == FLOAT and self.dtype != "float32":
            code, data = TYPES[self.dtype], array.astype(self.dtype).tobytes()
        message = b"".join(entry(1, side) for side in array.shape) + entry(2, code)
        message += entry(8, name)
        if self.kind == "raw":
            return message + entry(9, data)
        if self.kind == "external":
            offset = len(self.external)
            self.external += data
            message += setting(13, "location", self.location) + setting(13, "offset", str(offset))
            return message + setting(13, "length", str(len(data))) + entry(14, 1)
        number = TYPED_FIELDS.get(code, 5)
        if number in (4, 10):
            size = 4 if number == 4 else 8
            items = [data[i : i + size] for i in range(0, len(data), size)]
            wire = 5 if number == 4 else 1
            loose = [varint(number << 3 | wire) + item for item in items]
        else:
            kind = {FLOAT16: "<u2", BFLOAT16: "<u2"}.get(code, array.dtype)
            numbers = np.frombuffer(data, kind).tolist()
            items = [varint(value) for value in numbers]
            loose = [entry(number, value) for value in numbers]
        return message + (
            entry(number, b"".join(items)) if self.kind == "packed" else b"".join(loose)
        )


def bfloat16(array: Array) -> Array:
    """The upper half of each float32, truncated."""
    return (np.ascontiguousarray(array, "<f4").view("<u4") >> 16).astype("<u2")


def attribute(name: str, value: Any) -> bytes:
    """An AttributeProto: an integer, text, a float, a tensor's message or a list of integers."""
    message = entry(1, name)
    if isinstance(value, int):
        return message + entry(3, value) + entry(20, 2)
    if isinstance(value, str):
        return message + entry(4, value) + entry(20, 3)
    if isinstance(value, float):
        return message + entry(2, value) + entry(20, 1)
    if isinstance(value, bytes):
        return message + entry(5, value) + entry(20, 4)
    return message + b"".join(entry(8, item) for item in value) + entry(20, 7)


def node(
    op: str, inputs: Iterable[str], outputs: Iterable[str], name: str = "", **attributes: Any
) -> bytes:
    message = b"".join(entry(1, item) for item in inputs)
    message += b"".join(entry(2, item) for item in outputs)
    message += entry(3, name) + entry(4, op)
    return message + b"".join(entry(5, attribute(key, attributes[key])) for key in attributes)


def value_info(name: str, shape: Sequence[int | str], code: int = FLOAT) -> bytes:
    dimensions = [entry(1, entry(1 if isinstance(side, int) else 2, side)) for side in shape]
    kind = entry(1, code) + entry(2, b"".join(dimensions))
    return entry(1, name) + entry(2, entry(1, kind))


def model(
    nodes: Iterable[bytes],
    tensors: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    opset: int = 13,
    ir_version: int = 8,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    graph = b"".join(entry(1, item) for item in nodes) + entry(2, "graph")
    graph += b"".join(entry(5, item) for item in tensors)
    graph += b"".join(entry(11, item) for item in inputs)
    graph += b"".join(entry(12, item) for item in outputs)
    content = entry(1, ir_version) + entry(2, "tests") + entry(7, graph)
    content += entry(8, entry(1, "") + entry(2, opset))
    return content + b"".join(setting(14, *item) for item in (metadata or {}).items())


def torch_names(index: int, op: str) -> str:
    return f"/features/{index}/{op}_output_0"


def caffe2_names(index: int, op: str) -> str:
    return f"{op.lower()}{index}_1"


@dataclass
class Exporter:
    """Writes a SqueezeNet as one of many exporters would; the fields are their differences.

    place: where tensors are: "initializer", "input" (both, as in IR version 3) or "constant".
    pool: attributes of the pools; convs: further attributes by tensor name.
    average: "GlobalAveragePool", "ReduceMean" or "AveragePool"; tail: nodes after it.
    """

    made: Mapping[str, Array]
    base: str = "squeezenet1_1"
    bypass: str = ""
    opset: int = 13
    ir_version: int = 8
    storage: Storage = field(default_factory=Storage)
    place: str = "initializer"
    input: str = "data"
    input_shape: Sequence[int | str] = (1, 3, 64, 64)
    pool: Mapping[str, Any] = field(default_factory=lambda: {"ceil_mode": 1})
    convs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    average: str = "GlobalAveragePool"
    average_kernel: Sequence[int] = ()
    tail: Sequence[str] = ("Flatten",)
    dropout: bool = False
    name: Callable[[int, str], str] = torch_names
    metadata: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        self.nodes: list[bytes] = []
        self.tensors: list[bytes] = []
        self.inputs: list[bytes] = []
        self.also: list[str] = []  # outputs before the last one
        self.count = 0

    def bytes(self) -> bytes:
        x = self.conv("features.0", self.input, strides=[2, 2])
        topology = TOPOLOGIES[self.base]
        for position in sorted(topology.fires + topology.pools):
            if position in topology.pools:
                window = {"kernel_shape": [3, 3], "strides": [2, 2]}
                x = self.node("MaxPool", [x], **{**window, **self.pool})
            else:
                x = self.fire(f"features.{position}", topology.fires.index(position), x)
        if self.dropout:
            x = self.node("Dropout", [x])
        x = self.conv("classifier.1", x)
        output = self.finish(self.averaged(x))
        classes = self.made["classifier.1.bias"].size
        shape = [1, classes] if "Flatten" in self.tail else [1, classes, 1, 1]
        code = TYPES.get(self.storage.dtype, BFLOAT16)
        inputs = [value_info(self.input, self.input_shape, code), *self.inputs]
        outputs = [value_info(name, (1,), INT64) for name in self.also]
        outputs.append(value_info(output, shape, code))
        return model(
            self.nodes, self.tensors, inputs, outputs, self.opset, self.ir_version, self.metadata
        )

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        self.count += 1
        output = self.name(self.count, op)
        self.nodes.append(node(op, inputs, [output], f"node {self.count}", **attributes))
        return output

    def constant(self, name: str, array: Array) -> str:
        message = self.storage.tensor(name, array)
        if self.place == "constant":
            self.nodes.append(node("Constant", [], [name], value=message))
            return name
        self.tensors.append(message)
        if self.place == "input":
            code = TYPES[str(array.dtype)]
            self.inputs.append(value_info(name, array.shape, code))
        return name

    def parameters(self, name: str) -> list[str]:
        return [
            self.constant(f"{name}.{part}", self.made[f"{name}.{part}"])
            for part in ("weight", "bias")
            if f"{name}.{part}" in self.made
        ]

    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        attributes = {**attributes, **self.convs.get(name, {})}
        x = self.node("Conv", [x, *self.parameters(name)], **attributes)
        return self.node("Relu", [x]) if relu else x

    def fire(self, name: str, index: int, x: str) -> str:
        squeezed = self.conv(f"{name}.squeeze", x)
        ones = self.conv(f"{name}.expand1x1", squeezed)
        threes = self.conv(f"{name}.expand3x3", squeezed, pads=[1, 1, 1, 1])
        y = self.node("Concat", [ones, threes], axis=1)
        if self.bypass and index in SIMPLE_BYPASS:
            return self.node("Add", [x, y])
        if self.bypass == "complex":
            return self.node("Add", [y, self.conv(f"{name}.bypass", x, relu=False)])
        return y

    def averaged(self, x: str) -> str:
        if self.average == "AveragePool":
            return self.node("AveragePool", [x], kernel_shape=self.average_kernel)
        if self.average == "ReduceMean" and self.opset >= 18:
            axes = self.constant("axes", np.array([-1, -2], np.int64))
            return self.node("ReduceMean", [x, axes], keepdims=1)
        if self.average == "ReduceMean":
            return self.node("ReduceMean", [x], axes=[2, 3], keepdims=1)
        return self.node("GlobalAveragePool", [x])

    def finish(self, x: str) -> str:
        for op in self.tail:
            attributes = {"axis": 1} if op in ("Flatten", "Softmax") else {}
            x = self.node(op, [x], **attributes)
        return x


@dataclass
class Rounding(Exporter):
    """Quantizes the input and output of each layer to one grid of uint8, as QDQ files do.

    scale, zero_point: of all activations; weights: whether they pass through such nodes too.
    """

    scale: Array = field(default_factory=lambda: np.float32(8))
    zero_point: Array = field(default_factory=lambda: np.uint8(128))
    weights: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        # Each node has its own scale and zero point, as quantizers write them.
        self.grids = 0

    def rounded(self, x: str, taken_scale: Array | None = None) -> str:
        """`x` after the two nodes; `taken_scale`: the scale of the second one, if different."""
        self.grids += 1
        number = self.grids
        zero = self.constant(f"zero {number}", np.asarray(self.zero_point))
        scale = self.constant(f"scale {number}", np.asarray(self.scale))
        integers = super().node("QuantizeLinear", [x, scale, zero])
        if taken_scale is not None:
            scale = self.constant(f"taken scale {number}", taken_scale)
        return super().node("DequantizeLinear", [integers, scale, zero])

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        y = super().node(op, inputs, **attributes)
        return y if op in ("Conv", "Flatten", "Softmax") else self.rounded(y)

    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        if x == self.input:
            x = self.rounded(x)
        y = super().conv(name, x, relu, **attributes)
        return y if relu else self.rounded(y)

    def parameters(self, name: str) -> list[str]:
        weight, *bias = super().parameters(name)
        if not self.weights:
            return [weight, *bias]
        grid = [
            self.constant(f"{weight} scale", np.float32(0.05)),
            self.constant(f"{weight} zero", np.int8(3)),
        ]
        integers = super().node("QuantizeLinear", [weight, *grid])
        return [super().node("DequantizeLinear", [integers, *grid]), *bias]


def small(**options: Any) -> bytes:
    """The file of a small SqueezeNet 1.1, for tests that damage it."""
    return Exporter(networks.tensors(classes=3), **options).bytes()
