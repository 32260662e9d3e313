"""The meaning of a Caffe network's layers, described by a .caffemodel or a .prototxt.

Names, defaults and meanings are those of Caffe's own definition
(https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto). Both kinds of layers are
read: ``layer``, whose types are names such as Convolution, and the older ``layers``, whose types
are names such as CONVOLUTION. A message is a `prototxt.Message`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqznet.errors import SqznetError, WeightsError, shown
from sqznet.images.preprocessing import PRESETS, Preprocessing
from sqznet.weights import recognition
from sqznet.weights.caffe.prototxt import Message
from sqznet.weights.recognition import Layer

_INPUT_TYPES = ("Data", "ImageData", "MemoryData", "HDF5Data", "DummyData", "WindowData", "Input")
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(_INPUT_TYPES, recognition.INPUT),
    "Convolution": recognition.CONV,
    "ReLU": recognition.RELU,
    "Pooling": recognition.MAX_POOL,
    "Concat": recognition.CONCAT,
    "Eltwise": recognition.ADD,
    "Softmax": recognition.SOFTMAX,
    "SoftmaxWithLoss": recognition.SOFTMAX,
    "Sigmoid": recognition.SIGMOID,
    "Dropout": recognition.SAME,
    "Split": recognition.SAME,
    "Flatten": recognition.FLATTEN,
    "Reshape": recognition.FLATTEN,
}
# They evaluate or discard a result, but do not contribute to it.
_NO_PART = ("Accuracy", "Silence")

# Older names that are not the newer ones in capitals and with underscores.
_OLD_NAMES = {"SOFTMAX_LOSS": "SoftmaxWithLoss"}
_BY_OLD_NAME = {name.upper(): name for name in (*_KINDS, *_NO_PART)} | _OLD_NAMES

# Far more than in any network for photos.
_MAX_SETTING = 1 << 16


def layer_messages(net: Message) -> list[Message]:
    """The network's layers, written in either way.

    Raises WeightsError if there are none, or if both ways are used.
    """
    new, old = net.get("layer", []), net.get("layers", [])
    if new and old:
        raise WeightsError("it has layers of Caffe's new kind and of its old one")
    if not new and not old:
        raise WeightsError("it has no layers")
    for message in new or old:
        if not isinstance(message, dict):
            raise WeightsError(f"it has a layer that is {shown(message)}")
    return list(new or old)


def layers(net: Message) -> list[Layer]:
    """The network's layers in framework-independent terms, without those that do not contribute.

    Raises WeightsError, naming the layer, if its type or a setting is not that of a SqueezeNet.
    """
    inputs = _texts(net, "input")
    found = [Layer("input", recognition.INPUT, outputs=inputs)] if inputs else []
    for message in layer_messages(net):
        name, kind = name_of(message), _type(message)
        try:
            if kind not in _NO_PART:
                found.append(_layer(message, name, kind))
        except WeightsError as error:
            raise WeightsError(f"layer {shown(name)} of type {shown(kind)}: {error}") from None
    return found


def name_of(message: Message) -> str:
    """The name of a layer; "" if it has none."""
    return "".join(_texts(message, "name")[-1:])


def preprocessing(net: Message) -> tuple[Preprocessing, bool]:
    """The network's preprocessing, and whether its input layers state any of it.

    It is Caffe's own for ImageNet, with the size, the mean and the scale that the network states. A
    network with an input larger than the size that photos are resized to gets photos resized to
    its input size.
    """
    pre = PRESETS["caffe"]
    size = pre.size
    mean: tuple[float, ...] = pre.mean
    std = 1.0
    messages = net.get("layer", []) + net.get("layers", [])
    shapes = [_ints(net, "input_dim"), *(_ints(item, "dim") for item in _parts(net, "input_shape"))]
    for message in messages:
        for part in _parts(message, "input_param"):
            shapes += [_ints(item, "dim") for item in _parts(part, "shape")]
        for part in _parts(message, "transform_param"):
            shapes += [(1, 3, crop, crop) for crop in _ints(part, "crop_size") if crop]
            means, scales = _floats(part, "mean_value"), _floats(part, "scale")
            mean = means * 3 if len(means) == 1 else means or mean
            std = 1 / scales[-1] if scales and scales[-1] else std
    for shape in shapes:
        if len(shape) == 4:
            size = (shape[2], shape[3])
    try:
        found = Preprocessing.from_dict(
            {
                **pre.to_dict(),
                "size": size,
                "mean": mean,
                "std": (std, std, std),
                "resize": None if max(size) > min(pre.resized) else pre.resize,
            }
        )
    except SqznetError as error:
        raise WeightsError(str(error)) from None
    return found, found != pre


def _type(message: Message) -> str:
    kind = "".join(_texts(message, "type")[-1:])
    plain = kind.replace("_", "")
    return _OLD_NAMES.get(kind) or (_BY_OLD_NAME.get(plain, kind) if kind.isupper() else kind)


def _layer(message: Message, name: str, type_: str) -> Layer:
    kind = _KINDS.get(type_)
    if kind is None:
        raise WeightsError("its type is not supported in a SqueezeNet")
    inputs, outputs = _texts(message, "bottom"), _texts(message, "top")
    layer = Layer(name, kind, inputs, outputs)
    if kind == recognition.CONV:
        return _convolution(layer, _part(message, "convolution_param"))
    if kind == recognition.MAX_POOL:
        return _pooling(layer, _part(message, "pooling_param"))
    if kind == recognition.SOFTMAX:
        return replace(layer, inputs=inputs[:1])  # a loss reads the true labels too
    if kind == recognition.RELU:
        _demand(_floats(_part(message, "relu_param"), "negative_slope"), 0, "negative_slope")
    elif kind == recognition.CONCAT:
        settings = _part(message, "concat_param")
        for key in ("axis", "concat_dim"):
            _demand(_ints(settings, key), 1, key)
    elif kind == recognition.ADD:
        settings = _part(message, "eltwise_param")
        if settings.get("operation", ["SUM"])[-1] not in ("SUM", 1):
            raise WeightsError(f"operation {shown(settings['operation'][-1])}, expected SUM")
        _demand(_floats(settings, "coeff"), 1, "coeff")
    return layer


def _convolution(layer: Layer, settings: Message) -> Layer:
    _demand(_ints(settings, "group"), 1, "group")
    _demand(_ints(settings, "dilation"), 1, "dilation")
    return replace(
        layer,
        channels=max((0, *_ints(settings, "num_output"))),
        kernel=_side(settings, "kernel_size", "kernel", 0),
        stride=_side(settings, "stride", "stride", 1),
        padding=_side(settings, "pad", "pad", 0),
    )


def _pooling(layer: Layer, settings: Message) -> Layer:
    method = settings.get("pool", ["MAX"])[-1]
    is_global = settings.get("global_pooling", [False])[-1] in (True, 1)
    if is_global and method in ("AVE", 1):
        return replace(layer, kind=recognition.AVERAGE)
    if is_global or method not in ("MAX", 0):
        raise WeightsError("is neither a global average nor a max pool")
    return replace(
        layer,
        kernel=_side(settings, "kernel_size", "kernel", 0),
        stride=_side(settings, "stride", "stride", 1),
        padding=_side(settings, "pad", "pad", 0),
    )


def _side(settings: Message, name: str, stem: str, default: int) -> int:
    """A setting given once, once per dimension, or as `stem`_h and `stem`_w."""
    values = {
        *_ints(settings, name),
        *_ints(settings, f"{stem}_h"),
        *_ints(settings, f"{stem}_w"),
    }
    if len(values) > 1:
        raise WeightsError(f"{name} differs between height and width")
    return values.pop() if values else default


def _demand(values: tuple[float, ...], expected: int, name: str) -> None:
    if any(value != expected for value in values):
        raise WeightsError(f"{name} is {values[0]:g}, expected {expected}")


# --- Fields of a message, checked for their types ---------------------------------------------


def _part(message: Message, name: str) -> Message:
    return next(_parts(message, name), {})


def _parts(message: Message, name: str) -> Iterator[Message]:
    for value in message.get(name, []):
        if not isinstance(value, dict):
            raise WeightsError(f"{name} is {shown(value)}, expected a message")
        yield value


def _texts(message: Message, name: str) -> tuple[str, ...]:
    return tuple(_checked(message, name, str, "a text"))


def _ints(message: Message, name: str) -> tuple[int, ...]:
    values = tuple(_checked(message, name, int, "a whole number"))
    for value in values:
        if not 0 <= value <= _MAX_SETTING:
            raise WeightsError(f"{name} is {shown(value)}, expected 0 to {_MAX_SETTING}")
    return values


def _floats(message: Message, name: str) -> tuple[float, ...]:
    return tuple(map(float, _checked(message, name, (int, float), "a number")))


def _checked(
    message: Message, name: str, types: type | tuple[type, ...], expected: str
) -> Iterator[Any]:
    for value in message.get(name, []):
        if not isinstance(value, types) or isinstance(value, bool):
            raise WeightsError(f"{name} is {shown(value)}, expected {expected}")
        yield value
