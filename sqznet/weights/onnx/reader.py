"""Reads ONNX files: SqueezeNets from any exporter, with any node names.

The format is a protobuf message, ModelProto (https://github.com/onnx/onnx/blob/main/docs/IR.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from sqznet.errors import WeightsError, shown
from sqznet.images.preprocessing import PRESETS
from sqznet.weights import metadata
from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.onnx import folding, photos
from sqznet.weights.onnx.constants import Constants
from sqznet.weights.onnx.graph import parse_model
from sqznet.weights.onnx.network import find_network
from sqznet.weights.onnx.tensors import TensorData
from sqznet.weights.onnx.wiring import find_wiring
from sqznet.weights.reading import WeightsFile
from sqznet.weights.rounded import with_integers

# The first field, which every writer puts first: ir_version, a small number.
_FIRST_KEY = 0x08

_DEQUANTIZED_WARNING = "int8 weights were dequantized to float32"


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin like an ONNX file: with the version of its format."""
    return view.nbytes > 1 and view[0] == _FIRST_KEY and view[1] < 0x80


def read(file: WeightsFile) -> Checkpoint:
    """Reads an ONNX file: IR version 3 or newer, operator sets 7 to 28, floats or int8 (QDQ and
    QOperator). Tensors in other files are read from the model's own folder.

    Network, padding, pooling, ReLU after the last convolution, softmax or sigmoid, and the rounding
    of activations are read from the graph. If it is to 8 bits everywhere, the network runs on the
    graph's own integers; otherwise they are dequantized without loss. What the graph
    scales and adds is folded: between its layers into their weights, before them into the
    preprocessing. Metadata with the prefix "sqznet." (see `sqznet.weights.metadata`) state the
    preprocessing of the graph's input. Without them, a graph like those that the ONNX zoo got from
    Caffe 2 gets squashed BGR levels, one that reads channels last Keras's preprocessing, and any
    other torchvision's, at the size of the graph's input; if the graph scales its input itself,
    only their size and crop.
    Raises WeightsError (without the path) if the file is invalid, and, naming the node, if the
    graph is not a SqueezeNet.
    """
    model = parse_model(file.view)
    stated = _stated(model.metadata)
    if metadata.DETECTOR in stated:
        raise WeightsError(
            "is a detector that was exported for other engines; load the file that it was made from"
        )
    constants = Constants(model.graph, TensorData(file))
    network = find_network(model.graph, constants)
    variant = network.variant
    given = model.graph.inputs[network.input.name]
    size = photos.input_size(network, given)
    wiring, reasons = find_wiring(network, size or PRESETS["torchvision"].size)
    tensors = folding.tensors(network, constants)
    described = metadata.Description(stated, "onnx")
    if described.variant not in (None, variant):
        raise WeightsError(
            f"its metadata says {shown(described.variant)}, its graph is a {variant}"
        )
    preprocessing, reason = photos.preprocessing(
        network, given, size, described.preprocessing if "preprocessing" in stated else None
    )
    reasons = {**reasons, "variant": "the graph", "preprocessing": reason}
    if described.labels is not None:
        reasons["labels"] = "the file's metadata"
    if wiring.activation is None and described.wiring.activation is not None:
        wiring = wiring._replace(activation=described.wiring.activation)
        reasons["activation"] = "the file's metadata"
    activations = network.activations
    warnings: tuple[str, ...] = ()
    if constants.any_quantized and not activations:
        reasons["precision"] = "int8 in the file, dequantized"
        warnings = (_DEQUANTIZED_WARNING,)
    checkpoint = Checkpoint(
        path=file.name,
        format="onnx",
        tensors=tensors,
        metadata=model.metadata,
        variant=variant,
        preprocessing=preprocessing,
        labels=described.labels,
        wiring=wiring,
        reasons=reasons,
        warnings=warnings,
        activations=activations,
        integers_text=described.integers_text,
    )
    return with_integers(checkpoint) if activations else checkpoint


def _stated(entries: Mapping[str, str]) -> dict[str, str]:
    """The entries that sqznet defines, without the prefix."""
    return {
        key: entries[metadata.PREFIX + key]
        for key in metadata.KEYS
        if metadata.PREFIX + key in entries
    }
