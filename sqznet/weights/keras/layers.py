"""Assigns the tensors of a Keras file to the convolutions of a SqueezeNet.

The layout of Keras 2, and of .h5 files from Keras 3: an attribute "layer_names", and for each of
these names a group with an attribute "weight_names", the paths of its tensors
(keras/src/legacy/saving/legacy_h5_format.py). Keras 3's .weights.h5: a group for each layer with a
group "vars" of tensors named 0, 1, ... (keras/src/saving/saving_lib.py).

Layers are identified by Caffe's names, which https://github.com/rcmalli/keras-squeezenet gave them,
or else by their order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqznet.errors import WeightsError, shown
from sqznet.network.variants import SIMPLE_BYPASS, TOPOLOGIES
from sqznet.weights.checkpoint import RawTensor
from sqznet.weights.keras.content import Content
from sqznet.weights.naming import torchvision_name

_VARS = re.compile(r"(?:(.+)/)?vars/([0-9]{1,4})", re.ASCII)
_BASES = {(7, 7): "squeezenet1_0", (3, 3): "squeezenet1_1"}
_CLASSIFIER = "classifier.1"
_PLAIN, _COMPLEX = 26, 30  # convolutions

# Each layer's tensors by the layer's names in the file.
_Layers = dict[tuple[str, ...], list["RawTensor | None"]]


@dataclass(frozen=True, eq=False)
class Convolution:
    """names: its names in the file, the most likely first; kernel: height x width x inputs x
    outputs."""

    names: Sequence[str]
    kernel: RawTensor
    bias: RawTensor

    @property
    def title(self) -> str:
        return f"layer {shown(self.names[0])}"


def root(content: Content) -> str:
    """The group with the layers: a whole model has a separate group for them."""
    return "model_weights" if "model_weights" in content.attributes else ""


def convolutions(content: Content) -> list[Convolution]:
    """Every layer with weights, in the model's order as far as the file states it.

    Raises WeightsError if one is not a convolution with a bias.
    """
    top = root(content)
    is_listed = "layer_names" in content.attributes.get(top, {})
    found = []
    for names, held in (_by_layer_names(content, top) if is_listed else _by_vars(content)).items():
        tensors = sorted(
            (tensor for tensor in held if tensor is not None), key=lambda tensor: -len(tensor.shape)
        )
        shapes = [tensor.shape for tensor in tensors]
        if [len(shape) for shape in shapes] == [4, 1]:
            found.append(Convolution(names, *tensors))
        elif shapes:
            raise WeightsError(
                f"layer {shown(names[0])} has tensors of shapes {shown(str(shapes))}, "
                "expected a convolution's kernel and bias"
            )
    if not found:
        raise WeightsError(_other_program(content))
    return found


def _other_program(content: Content) -> str:
    """What an HDF5 file without a Keras model is."""
    paths = list(content.tensors)
    if any(re.fullmatch("data/.+/[0-9]+", path) for path in paths):
        return (
            "is a snapshot of Caffe in HDF5; save it as a .caffemodel, with snapshot_format: "
            "BINARYPROTO, or net.save in Python"
        )
    if any(path.endswith("/W") for path in paths):
        return "is a Chainer file; convert it to ONNX with onnx_chainer.export"
    return "is an HDF5 file without the layers of a Keras model"


def base(layers: Sequence[Convolution]) -> str:
    """The key of `variants.TOPOLOGIES`; raises WeightsError if the first kernel fits neither."""
    named = (conv for conv in layers if "conv1" in conv.names)
    stem = next(named, layers[0])
    kernel = stem.kernel.shape[:2]
    if kernel not in _BASES:
        raise WeightsError(
            f"{stem.title}, the first convolution, has a kernel of {kernel[0]} x {kernel[1]}, "
            "expected 3 x 3 (SqueezeNet 1.1) or 7 x 7 (1.0)"
        )
    return _BASES[kernel]


def named(layers: Sequence[Convolution], base: str) -> dict[str, Convolution]:
    """The convolutions by torchvision's names.

    A network saved without its top has no classifier.
    Raises WeightsError if they are not those of a SqueezeNet.
    """
    stated = [
        next(filter(None, (torchvision_name(name, base) for name in conv.names)), None)
        for conv in layers
    ]
    telling = {name: conv for name, conv in zip(stated, layers, strict=True) if name}
    if len(telling) == len(layers):
        return telling
    ordered = _by_order(layers, base)
    for name, conv in zip(stated, layers, strict=True):
        if name and ordered.get(name) is not conv:
            raise WeightsError(f"{conv.title} is at an unexpected position for a SqueezeNet")
    return ordered


def _texts(content: Content, group: str, name: str) -> list[str]:
    """An attribute that lists names; Keras stores an empty list as an array of numbers."""
    value = content.attributes.get(group, {}).get(name, [])
    return [value] if isinstance(value, str) else value


def _by_layer_names(content: Content, root: str) -> _Layers:
    """In the model's order."""
    layers: _Layers = {}
    for layer in _texts(content, root, "layer_names"):
        group = f"{root}/{layer}" if root else layer
        if "weight_names" not in content.attributes.get(group, {}):
            raise WeightsError(f"layer {shown(layer)} lacks its group of weights")
        for weight in _texts(content, group, "weight_names"):
            path = f"{group}/{weight}"
            if path not in content.tensors:
                raise WeightsError(f"layer {shown(layer)} lacks its tensor {shown(weight)}")
            # A nested model is one layer; its tensors' names begin with those of its own layers.
            inner = weight.rpartition("/")[0]
            names = (layer, inner, inner.rpartition("/")[2])
            layers.setdefault(names, []).append(content.tensors[path])
    return layers


def _by_vars(content: Content) -> _Layers:
    """Numbers at the end of automatic names (conv2d, conv2d_1, ...) give the model's order."""
    layers: _Layers = {}
    found = [
        (match[1] or "", int(match[2]), path)
        for path in content.tensors
        if (match := _VARS.fullmatch(path))
    ]
    for group, _, path in sorted(found, key=lambda entry: (_natural(entry[0]), entry[1])):
        stated = content.attributes.get(f"{group}/vars", {}).get("name", "")
        name = stated if isinstance(stated, str) else ""
        key = (name or group.rpartition("/")[2], group)
        layers.setdefault(key, []).append(content.tensors[path])
    return layers


def _natural(path: str) -> list[tuple[str, int]]:
    """A sort key that puts conv2d_10 after conv2d_9."""
    parts = []
    for part in path.split("/"):
        stem, _, number = part.rpartition("_")
        numbered = bool(stem) and number.isascii() and number.isdigit() and len(number) < 10
        parts.append((stem, int(number)) if numbered else (part, 0))
    return parts


def _by_order(layers: Sequence[Convolution], base: str) -> dict[str, Convolution]:
    """Names by the order in which layers are built; shapes distinguish a fire's convolutions."""
    count = len(layers)
    if count not in (_PLAIN - 1, _PLAIN, _COMPLEX - 1, _COMPLEX):
        raise WeightsError(
            f"has {count} convolutions, expected {_PLAIN}, or {_COMPLEX} with a complex bypass, "
            "or one less without the classifier"
        )
    is_complex = count >= _COMPLEX - 1
    found = {"features.0": layers[0]}
    start = 1
    for i, position in enumerate(TOPOLOGIES[base].fires):
        width = 4 if is_complex and i not in SIMPLE_BYPASS else 3
        for part, conv in _fire(layers[start : start + width]).items():
            found[f"features.{position}.{part}"] = conv
        start += width
    if start < count:
        found[_CLASSIFIER] = layers[start]
    return found


def _fire(group: Sequence[Convolution]) -> dict[str, Convolution]:
    wide = [conv for conv in group if conv.kernel.shape[:2] == (3, 3)]
    rest = [conv for conv in group if conv not in wide]
    squeezed = wide[0].kernel.shape[2] if wide else 0
    squeezes = [conv for conv in rest if conv.kernel.shape[3] == squeezed][:1]
    expands = [c for c in rest if c not in squeezes and c.kernel.shape[2] == squeezed][:1]
    if not (len(wide) == len(squeezes) == len(expands) == 1):
        raise WeightsError(
            f"{group[0].title} and the {len(group) - 1} after it are not a fire of a SqueezeNet"
        )
    parts = {"squeeze": squeezes[0], "expand1x1": expands[0], "expand3x3": wide[0]}
    bypass = [conv for conv in rest if conv not in squeezes + expands]
    return {**parts, **({"bypass": bypass[0]} if bypass else {})}
