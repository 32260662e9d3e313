"""Writes ONNX files: operator set 13 and IR version 8, old enough for any engine in use.

The input is "input", float32 (N, 3, H, W) with the size from the preprocessing and any N; the
output is "logits", float32 (N, classes), the input of a softmax. A network with int8 weights is
written as one of 8-bit integers, if it can be.

A detector has an output for each level, float32 (N, classes + 4, height, width): the logits of the
classes, then the sides of a box, before decoding (see `sqznet.network.detector`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sqznet.network.layers import Network
from sqznet.weights import metadata
from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.strict_json import compact
from sqznet.weights.writers.onnx_messages import field, value
from sqznet.weights.writers.onnx_nodes import FloatNodes, IntegerNodes, integers_fit

_IR_VERSION = 8
_OPSET = 13


def encode(checkpoint: Checkpoint, network: Network) -> bytes:
    """An ONNX file of the network, without a softmax, as its metadata say."""
    height, width = checkpoint.preprocessing.size
    wiring = checkpoint.wiring._replace(softmax=False)
    entries = {**checkpoint.metadata, "wiring": compact(wiring._asdict())}
    integers, tensors = checkpoint.integers, checkpoint.tensors
    is_int8 = all(tensors[f"{name}.weight"].dtype == "int8" for name in network.convolutions)
    nodes: FloatNodes
    if is_int8 and integers is not None and integers_fit(network, integers):
        nodes = IntegerNodes(network, tensors, integers)
        del entries["integers"]  # the graph has them
    else:
        nodes = FloatNodes(network, {name: tensor.floats() for name, tensor in tensors.items()})
    graph = [
        *(field(1, node) for node in nodes.finished),
        field(2, network.variant),
        *(field(5, tensor) for tensor in nodes.tensors),
        field(11, value("input", ("N", 3, height, width))),
        *(field(12, value(name, shape)) for name, shape in _outputs(nodes, network, height, width)),
    ]
    properties = [
        field(14, field(1, metadata.PREFIX * (key in metadata.KEYS) + key) + field(2, text))
        for key, text in sorted(entries.items())
    ]
    return b"".join(
        [
            field(1, _IR_VERSION),
            field(2, "sqznet"),
            field(7, b"".join(graph)),
            field(8, field(2, _OPSET)),
            *properties,
        ]
    )


def _outputs(
    nodes: FloatNodes, network: Network, height: int, width: int
) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """The heads' outputs, with their shapes."""
    if network.num_classes:
        yield "logits", ("N", network.num_classes)
        return
    shapes = dict(zip(network.map_names, network.shapes(height, width), strict=True))
    for name in nodes.outputs:
        rows, columns, channels = shapes[name]
        yield name, ("N", channels, rows, columns)
