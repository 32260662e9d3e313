"""Writes ONNX files: operator set 13 and IR version 8, old enough for any engine in use.

An ONNX file is a protobuf message; the field numbers are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. The input is "input", float32
(N, 3, H, W) with the size from the preprocessing and any N; the output is "logits", float32
(N, classes), the input of a softmax. The tensors keep their names and precisions: a tensor that is
not float32 goes through a Cast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqznet.network.layers import INPUT, Classifier, Conv, Fire, MaxPool, Network
from sqznet.weights import metadata
from sqznet.weights.checkpoint import Checkpoint, RawTensor

_IR_VERSION = 8
_OPSET = 13

# TensorProto.DataType
_FLOAT = 1
_TYPES = {"float32": _FLOAT, "float16": 10, "float64": 11, "bfloat16": 16}

# AttributeProto.AttributeType
_INT, _INTS = 2, 7

_VARINT, _BYTES = 0, 2  # protobuf's wire types


def encode(checkpoint: Checkpoint, network: Network) -> bytes:
    """An ONNX file of the network, without a softmax, as its metadata say."""
    height, width = checkpoint.preprocessing.size
    wiring = checkpoint.wiring._replace(softmax=False)
    entries = {**checkpoint.metadata, "wiring": metadata.compact(wiring._asdict())}
    nodes = _Nodes()
    tensors = []
    for name in network.tensors():
        tensor = checkpoint.tensors[name]
        if tensor.dtype == "float32":
            tensors.append(_tensor(name, tensor))
        else:
            tensors.append(_tensor(nodes.cast(name), tensor))
    nodes.network(network)
    graph = [
        *(_field(1, node) for node in nodes.finished),
        _field(2, network.variant),
        *(_field(5, tensor) for tensor in tensors),
        _field(11, _value("input", ("N", 3, height, width))),
        _field(12, _value("logits", ("N", network.num_classes))),
    ]
    properties = [
        _field(14, _field(1, metadata.PREFIX * (key in metadata.KEYS) + key) + _field(2, value))
        for key, value in sorted(entries.items())
    ]
    return b"".join(
        [
            _field(1, _IR_VERSION),
            _field(2, "sqznet"),
            _field(7, b"".join(graph)),
            _field(8, _field(2, _OPSET)),
            *properties,
        ]
    )


class _Nodes:
    """The graph's nodes in order. Each has one output with the node's own name."""

    def __init__(self) -> None:
        self.finished: list[bytes] = []

    def cast(self, name: str) -> str:
        """Adds a Cast to the float32 tensor `name`; returns the name of the stored tensor."""
        stored = f"{name}.stored"
        self._add("Cast", name, stored, to=_FLOAT)
        return stored

    def network(self, network: Network) -> None:
        values = {INPUT: "input"}
        for branch in network.branches:
            value = values[branch.input]
            for layer in branch.layers:
                value = values[layer.name] = _WRITE[type(layer)](self, layer, value)

    def _stem(self, layer: Conv, x: str) -> str:
        return self._conv(layer.name, x, layer.kernel, layer.stride, layer.padding)

    def _max_pool(self, layer: MaxPool, x: str) -> str:
        windows = {"kernel_shape": (3, 3), "strides": (2, 2)}
        name = f"{layer.name}.pool"
        return self._add("MaxPool", name, x, **windows, ceil_mode=int(layer.ceil_mode))

    def _classifier(self, layer: Classifier, x: str) -> str:
        value = self._conv(layer.name, x, padding=layer.padding, relu=layer.relu)
        value = self._add("GlobalAveragePool", "average", value)
        return self._add("Flatten", "logits", value, axis=1)

    def _fire(self, fire: Fire, x: str) -> str:
        squeezed = self._conv(f"{fire.name}.squeeze", x)
        expanded1x1 = self._conv(f"{fire.name}.expand1x1", squeezed)
        expanded3x3 = self._conv(f"{fire.name}.expand3x3", squeezed, kernel=3, padding=1)
        value = self._add("Concat", f"{fire.name}.concat", expanded1x1, expanded3x3, axis=1)
        if fire.bypass is None:
            return value
        around = x
        if fire.bypass == "complex":
            around = self._conv(f"{fire.name}.bypass", x, relu=False)
        return self._add("Add", f"{fire.name}.add", around, value)

    def _conv(
        self,
        name: str,
        x: str,
        kernel: int = 1,
        stride: int = 1,
        padding: int = 0,
        relu: bool = True,
    ) -> str:
        value = self._add(
            "Conv",
            f"{name}.conv",
            x,
            f"{name}.weight",
            f"{name}.bias",
            kernel_shape=(kernel, kernel),
            strides=(stride, stride),
            pads=(padding,) * 4,
        )
        return self._add("Relu", f"{name}.relu", value) if relu else value

    def _add(self, op: str, name: str, *inputs: str, **attributes: int | tuple[int, ...]) -> str:
        fields = [
            *(_field(1, value) for value in inputs),
            _field(2, name),
            _field(3, name),
            _field(4, op),
            *(_field(5, b"".join(_attribute(*item))) for item in attributes.items()),
        ]
        self.finished.append(b"".join(fields))
        return name


_WRITE: Mapping[type, Callable[..., str]] = {
    Conv: _Nodes._stem,
    MaxPool: _Nodes._max_pool,
    Fire: _Nodes._fire,
    Classifier: _Nodes._classifier,
}


def _attribute(name: str, value: int | tuple[int, ...]) -> Iterator[bytes]:
    yield _field(1, name)
    if isinstance(value, int):
        yield _field(3, value)
        yield _field(20, _INT)
    else:
        yield from (_field(8, item) for item in value)
        yield _field(20, _INTS)


def _tensor(name: str, tensor: RawTensor) -> bytes:
    dimensions = [_field(1, dimension) for dimension in tensor.shape]
    kind = _field(2, _TYPES[tensor.dtype])
    return b"".join([*dimensions, kind, _field(8, name), _field(9, bytes(tensor.data))])


def _value(name: str, shape: tuple[int | str, ...]) -> bytes:
    """A ValueInfoProto of float32; a named dimension may have any size."""
    dimensions = [_field(1, _field(2 if isinstance(size, str) else 1, size)) for size in shape]
    tensor_type = _field(1, _FLOAT) + _field(2, b"".join(dimensions))
    return _field(1, name) + _field(2, _field(1, tensor_type))


def _field(number: int, value: int | str | bytes) -> bytes:
    """A field of a protobuf message: a non-negative integer, a text, or any bytes."""
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    # JSON can contain half of a surrogate pair, which UTF-8 cannot.
    data = value.encode("utf-8", "backslashreplace") if isinstance(value, str) else value
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
