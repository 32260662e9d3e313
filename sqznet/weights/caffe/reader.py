"""Reads Caffe's .caffemodel files, with the .prototxt beside them if there is one.

A .caffemodel is a protobuf message, Caffe's NetParameter
(https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto): layers with their settings
and their weights ("blobs"), as ``layer`` or, before 2014, as ``layers``. Some files keep only the
names and the weights; then the layers are recognized by Caffe's names, and everything else is the
framework's default. A NAME.prototxt or a deploy.prototxt in the same folder describes the network
as Caffe would build it, and has priority over the file itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqznet.errors import WeightsError, shown
from sqznet.network.variants import TOPOLOGIES, Wiring
from sqznet.weights import recognition
from sqznet.weights.caffe import layers as caffe_layers
from sqznet.weights.caffe import message as caffe_message
from sqznet.weights.caffe import prototxt
from sqznet.weights.caffe.prototxt import Message
from sqznet.weights.checkpoint import Checkpoint, RawTensor, element_count
from sqznet.weights.mapped import WeightsFile
from sqznet.weights.naming import torchvision_name, variant_of
from sqznet.weights.protobuf import float_bytes
from sqznet.weights.recognition import Layer, Recognized

_BARE = (
    "the file has the names and weights of its layers, but not their settings: paddings are "
    "Caffe's defaults and a simple bypass is not detected; put its .prototxt beside it"
)

Blobs = Mapping[str, list[Message]]


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin like a .caffemodel file."""
    return caffe_message.looks_like(view)


def read(file: WeightsFile) -> Checkpoint:
    """Reads a .caffemodel file.

    Raises WeightsError (without the path) if the file, or the .prototxt beside it, is invalid.
    """
    net = caffe_message.read(file.view)
    blobs = _blobs(net)
    beside = _prototxt(file)
    if beside is None:
        return _checkpoint(file, net, blobs, "the file's")
    try:
        described = prototxt.parse(beside.view)
        return _checkpoint(file, described, blobs, "the neighboring prototxt's")
    except WeightsError as error:
        raise WeightsError(f"{beside.name} beside it: {error}") from None


def _checkpoint(file: WeightsFile, net: Message, blobs: Blobs, whose: str) -> Checkpoint:
    layers = caffe_layers.layers(net)
    is_bare = not any(layer.inputs for layer in layers)
    found = _by_names(blobs) if is_bare else recognition.recognize(layers)
    reasons = found.reasons(whose) | {"ceil_mode": "Caffe's pools always do"}
    if is_bare:
        keys = ("conv1_padding", "conv10_padding", "softmax", "conv10_relu")
        reasons |= dict.fromkeys(keys, "the default for caffemodel files without settings")
    else:
        for layer in layers:
            if layer.kind == recognition.CONV:
                _check_agreement(layer, blobs)
    preprocessing, is_own = caffe_layers.preprocessing(net)
    reasons["preprocessing"] = (
        f"the default for caffemodel files, with {whose} size, mean and scale"
        if is_own
        else "the default for caffemodel files"
    )
    return Checkpoint(
        path=file.name,
        format="caffe",
        tensors=_tensors(found.names, blobs),
        metadata={},
        variant=found.variant,
        preprocessing=preprocessing,
        labels=None,
        wiring=found.wiring,
        reasons=reasons,
        warnings=(_BARE,) if is_bare else (),
    )


def _prototxt(file: WeightsFile) -> WeightsFile | None:
    """The description beside the file: NAME.prototxt for NAME.caffemodel, or deploy.prototxt."""
    stem = file.path.rpartition("/")[2].removesuffix(".caffemodel")
    return file.beside(f"{stem}.prototxt") or file.beside("deploy.prototxt")


# --- Weights -----------------------------------------------------------------------------------


def _blobs(net: Message) -> Blobs:
    """The weights of each layer that has any, by the layer's name."""
    blobs: dict[str, list[Message]] = {}
    for message in caffe_layers.layer_messages(net):
        if found := message.get("blobs"):
            name = caffe_layers.name_of(message)
            if name in blobs:
                raise WeightsError(f"two layers with weights have the name {shown(name)}")
            blobs[name] = found
    return blobs


def _by_names(blobs: Blobs) -> Recognized:
    """The network, if only the names of its layers are known."""
    kernel = _shape(blobs["conv1"][0])[-1:] if "conv1" in blobs else ()
    base = next((base for base, it in TOPOLOGIES.items() if kernel == (it.kernel,)), None)
    if base is None:
        raise WeightsError(
            "it does not say how its layers are connected, and their names are not those of a "
            f"SqueezeNet: {shown(', '.join(blobs))}"
        )
    names: dict[str, str] = {}
    for own in blobs:
        name = torchvision_name(own, base)
        if name is None or name in names.values():
            raise WeightsError(f"layer {shown(own)} has a name that no layer of a SqueezeNet has")
        names[own] = name
    if "classifier.1" not in names.values():
        raise WeightsError("it has no layer conv10")
    return Recognized(names, variant_of(base, names.values()), Wiring())


def _check_agreement(layer: Layer, blobs: Blobs) -> None:
    """Checks that the weights match the description of the layer."""
    if layer.name not in blobs:
        raise WeightsError(f"layer {shown(layer.name)} has no weights in the caffemodel file")
    shape = _shape(blobs[layer.name][0])
    if len(shape) != 4 or (shape[0], *shape[2:]) != (layer.channels, layer.kernel, layer.kernel):
        raise WeightsError(
            f"layer {shown(layer.name)} has weights of shape {shape}, expected {layer.channels} "
            f"outputs and a {layer.kernel}x{layer.kernel} kernel"
        )


def _tensors(names: Mapping[str, str], blobs: Blobs) -> dict[str, RawTensor]:
    tensors = {}
    for own, name in names.items():
        try:
            weight, *rest = blobs[own]
            tensor = _tensor(weight, _shape(weight))
            if len(tensor.shape) != 4 or len(rest) > 1:
                raise WeightsError(
                    f"its weights have shape {tensor.shape}, expected four dimensions"
                )
            channels = tensor.shape[:1]
            zeros = memoryview(bytes(4 * channels[0]))
            bias = _tensor(rest[0], channels) if rest else RawTensor("float32", channels, zeros)
        except WeightsError as error:
            raise WeightsError(f"layer {shown(own)}: {error}") from None
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = tensor, bias
    return tensors


def _shape(blob: Message) -> tuple[int, ...]:
    """A blob's shape: a list, or four numbers in files from before 2014."""
    if shapes := blob.get("shape"):
        return tuple(shapes[-1].get("dim", ()))
    old = [blob.get(key, [0])[-1] for key in ("num", "channels", "height", "width")]
    return tuple(old) if any(old) else ()


def _tensor(blob: Message, shape: tuple[int, ...]) -> RawTensor:
    """The blob's numbers in this shape, as a view of the file's bytes."""
    single, double = blob.get("data", []), blob.get("double_data", [])
    if bool(single) == bool(double):
        raise WeightsError("a blob without numbers, or with both floats and doubles")
    if any(side < 1 for side in shape) or element_count(shape) >> 62:
        raise WeightsError(f"a blob of shape {shape}")
    if double:
        return RawTensor("float64", shape, float_bytes(double, 8))
    return RawTensor("float32", shape, float_bytes(single, 4))
