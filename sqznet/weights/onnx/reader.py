"""Reads ONNX files: SqueezeNets from any exporter, with any node names.

The format is a protobuf message, ModelProto (https://github.com/onnx/onnx/blob/main/docs/IR.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from sqznet.errors import WeightsError, shown
from sqznet.images.preprocessing import PRESETS, Preprocessing
from sqznet.weights import metadata
from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.mapped import WeightsFile
from sqznet.weights.onnx.constants import Constants
from sqznet.weights.onnx.graph import parse_model
from sqznet.weights.onnx.network import find_network
from sqznet.weights.onnx.tensors import TensorData
from sqznet.weights.onnx.wiring import find_wiring

# The first field, which every writer puts first: ir_version, a small number.
_FIRST_KEY = 0x08

# The input of the ONNX zoo's files that came from Caffe 2, "SqueezeNet 1.0-*".
_CAFFE2_INPUT = "data_0"

_ROUNDED_WARNING = (
    "int8 weights are kept as floats, exactly, and activations are rounded as in the file; "
    "this is slower than a float file"
)
_DEQUANTIZED_WARNING = "int8 weights were dequantized to float32"


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin like an ONNX file: with the version of its format."""
    return view.nbytes > 1 and view[0] == _FIRST_KEY and view[1] < 0x80


def read(file: WeightsFile) -> Checkpoint:
    """Reads an ONNX file: IR version 3 or newer, operator sets 7 to 28, floats or int8 (QDQ and
    QOperator). Tensors in other files are read from the model's own folder.

    Network, padding, pooling, softmax and the rounding of activations are read from the graph;
    integers are dequantized without loss. Metadata with the prefix "sqznet." (see
    `sqznet.weights.metadata`) state the preprocessing. Without them, a graph like those that the
    ONNX zoo got from Caffe 2 gets squashed BGR levels, and any other graph torchvision's
    preprocessing, at the size of the graph's input.
    Raises WeightsError (without the path) if the file is invalid, and, naming the node, if the
    graph is not a SqueezeNet.
    """
    model = parse_model(file.view)
    constants = Constants(model.graph, TensorData(file))
    network = find_network(model.graph, constants)
    variant = network.variant
    size = _input_size(network.input, model.graph.inputs[network.input])
    wiring, reasons = find_wiring(network, size or PRESETS["torchvision"].size)
    tensors = network.tensors(constants)
    stated = _stated(model.metadata)
    described = metadata.parse(stated, "onnx")
    if described.variant not in (None, variant):
        raise WeightsError(
            f"its metadata says {shown(described.variant)}, its graph is a {variant}"
        )
    preprocessing, preprocessing_reason = described.preprocessing, "the file's metadata"
    if "preprocessing" not in stated:
        preprocessing, preprocessing_reason = _default_preprocessing(
            network.input == _CAFFE2_INPUT and network.softmax, size
        )
    reasons = {**reasons, "variant": "the graph", "preprocessing": preprocessing_reason}
    if described.labels is not None:
        reasons["labels"] = "the file's metadata"
    if wiring.activation is None and described.wiring.activation is not None:
        wiring = wiring._replace(activation=described.wiring.activation)
        reasons["activation"] = "the file's metadata"
    activations = network.activations
    warnings: tuple[str, ...] = ()
    if activations:
        reasons["precision"] = "dequantized to float32"
        warnings = (_ROUNDED_WARNING,)
    elif constants.any_quantized:
        reasons["precision"] = "int8 in the file, dequantized"
        warnings = (_DEQUANTIZED_WARNING,)
    return Checkpoint(
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
        integers=described.integers,
    )


def _stated(entries: Mapping[str, str]) -> dict[str, str]:
    """The entries that sqznet defines, without the prefix."""
    return {
        key: entries[metadata.PREFIX + key]
        for key in metadata.KEYS
        if metadata.PREFIX + key in entries
    }


def _input_size(name: str, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Height and width, if the graph's input fixes them."""
    if not shape:
        return None
    if len(shape) != 4 or shape[1] not in (0, 3):
        raise WeightsError(f"the input {shown(name)} has the shape {shape}, expected N x 3 x H x W")
    return (shape[2], shape[3]) if shape[2] and shape[3] else None


def _default_preprocessing(
    is_caffe2: bool, size: tuple[int, int] | None
) -> tuple[Preprocessing, str]:
    """The likely preprocessing of a graph, and why."""
    preset = PRESETS["onnx-zoo-1.0" if is_caffe2 else "torchvision"]
    reason = (
        f"a graph from input {_CAFFE2_INPUT!r} to a Softmax, as in the ONNX zoo's 1.0 files"
        if is_caffe2
        else "the default for onnx files"
    )
    if size is None or size == preset.size:
        return preset, reason
    return preset._replace(size=size), f"{reason}, at the size of the graph's input"
