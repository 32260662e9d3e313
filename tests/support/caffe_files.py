"""Writes small valid or invalid .caffemodel and .prototxt files by hand, without Caffe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sqznet.weights import recognition
from sqznet.weights.recognition import Layer

from . import layer_lists, networks
from .onnx_files import entry as field
from .onnx_files import varint

Array = Any

TYPES = {
    recognition.INPUT: ("Input", 5),
    recognition.CONV: ("Convolution", 4),
    recognition.RELU: ("ReLU", 18),
    recognition.MAX_POOL: ("Pooling", 17),
    recognition.AVERAGE: ("Pooling", 17),
    recognition.CONCAT: ("Concat", 3),
    recognition.ADD: ("Eltwise", 25),
    recognition.SOFTMAX: ("Softmax", 20),
    recognition.SAME: ("Dropout", 6),
}


def message(fields: Iterable[tuple[int, int | bytes | str | float]]) -> bytes:
    return b"".join(field(number, value) for number, value in fields)


def blob(array: Array, old: bool = False, packed: bool = True, double: bool = False) -> bytes:
    """A BlobProto; old ones have four dimensions, and a bias of n is 1 x 1 x 1 x n."""
    if old:
        sides = (1,) * (4 - array.ndim) + array.shape
        shape = message(enumerate(sides, 1))
    else:
        shape = field(7, field(1, b"".join(map(varint, array.shape))))
    if double:
        return shape + field(8, array.astype("<f8").tobytes())
    if packed:
        return shape + field(5, array.astype("<f4").tobytes())
    return shape + b"".join(field(5, float(number)) for number in array.ravel())


def settings(layer: Layer) -> bytes:
    """The message with the layer's settings."""
    if layer.kind == recognition.AVERAGE:
        return message([(1, 1), (12, 1)])
    if layer.kind == recognition.MAX_POOL:
        return message([(1, 0), (2, layer.kernel), (3, layer.stride)])
    pads = [(3, layer.padding)] if layer.padding else []
    return message([(1, layer.channels), *pads, (4, layer.kernel), (6, layer.stride)])


def layer_message(layer: Layer, blobs: Sequence[bytes] = (), old: bool = False) -> bytes:
    name, number = TYPES[layer.kind]
    tags = {"bottom": 3, "top": 4, "blobs": 7, "conv": 106, "pool": 121}
    if old:
        tags = {"bottom": 2, "top": 3, "blobs": 6, "conv": 10, "pool": 19}
        data = message([(4, layer.name), (5, number)])
    else:
        data = message([(1, layer.name), (2, name)])
    data += message((tags["bottom"], blob) for blob in layer.inputs)
    data += message((tags["top"], blob) for blob in layer.outputs)
    data += message((tags["blobs"], blob) for blob in blobs)
    if layer.kind == recognition.CONV:
        data += field(tags["conv"], settings(layer))
    elif layer.kind in (recognition.MAX_POOL, recognition.AVERAGE):
        data += field(tags["pool"], settings(layer))
    return data


def caffemodel(
    made: Mapping[str, Array],
    layers: Sequence[Layer],
    base: str = "squeezenet1_1",
    old: bool = False,
    packed: bool = True,
    double: bool = False,
) -> bytes:
    """A file of all layers with their settings."""
    own = {name: torch for torch, name in layer_lists.caffe_names(base).items()}
    data = field(1, "SqueezeNet")
    for layer in layers:
        blobs = []
        if layer.kind == recognition.CONV:
            name = own[layer.name]
            arrays = made[f"{name}.weight"], made[f"{name}.bias"]
            blobs = [blob(array, old, packed, double) for array in arrays]
        data += field(2 if old else 100, layer_message(layer, blobs, old))
    return data


def bare_caffemodel(made: Mapping[str, Array], base: str = "squeezenet1_1") -> bytes:
    """Only names and weights, as converters write them."""
    data = field(1, "SqueezeNet")
    for torch, name in layer_lists.caffe_names(base).items():
        if f"{torch}.weight" in made:
            blobs = [blob(made[f"{torch}.{part}"]) for part in ("weight", "bias")]
            layer = message([(1, name), (2, "Convolution"), *((7, part) for part in blobs)])
            data += field(100, layer)
    return data


def prototxt(layers: Sequence[Layer], height: int = 95, width: int = 95) -> str:
    """The same layers as text; the input is described as in deploy.prototxt files."""
    lines = ['name: "SqueezeNet"  # a comment']
    for layer in layers:
        if layer.kind == recognition.INPUT:
            shape = f"dim: 1 dim: 3 dim: {height} dim: {width}"
            lines.append(f'input: "{layer.outputs[0]}" input_shape {{ {shape} }}')
            continue
        lines += ["layer {", f'  name: "{layer.name}"', f"  type: '{TYPES[layer.kind][0]}'"]
        lines += [f'  bottom: "{blob}"' for blob in layer.inputs]
        lines += [f'  top: "{blob}"' for blob in layer.outputs]
        if layer.kind == recognition.CONV:
            lines += ["  convolution_param {", f"    num_output: {layer.channels}"]
            lines += [f"    pad: {layer.padding}"] if layer.padding else []
            lines += [f"    kernel_size: {layer.kernel}; stride: {layer.stride}", "  }"]
        elif layer.kind == recognition.MAX_POOL:
            lines.append(
                f"  pooling_param < pool: MAX kernel_size: {layer.kernel} stride: {layer.stride} >"
            )
        elif layer.kind == recognition.AVERAGE:
            lines.append("  pooling_param: { pool: AVE, global_pooling: true }")
        lines.append("}")
    return "\n".join(lines) + "\n"


def small(**options: Any) -> bytes:
    made = networks.tensors(classes=3)
    return caffemodel(made, layer_lists.squeezenet(made), **options)


def small_bare() -> bytes:
    return bare_caffemodel(networks.tensors(classes=3))


def float_array(tensor: Any) -> Array:
    """A RawTensor as an array of its own type, int8 as float32."""
    tensor = tensor.floats()
    return np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape)
