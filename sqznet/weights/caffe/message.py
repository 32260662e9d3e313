"""Reads Caffe's NetParameter, the protobuf message in a .caffemodel file.

Of the definition (https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto), only what
a SqueezeNet needs is read; the rest is skipped. The result has the form of a `prototxt.Message`,
so that both can be used in the same way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqznet.errors import WeightsError
from sqznet.weights.caffe.prototxt import Message
from sqznet.weights.protobuf import MessageReader, Value, content, packed_varints, text

_LAYERS, _LAYER = 2, 100
# The possible starts of a NetParameter: name, input, layers or layer, each with a length.
_STARTS = (b"\x0a", b"\x12", b"\x1a", b"\xa2\x06")

# A SqueezeNet has some hundred layers, including those for training, and some hundred settings and
# dimensions of shapes.
_MAX_LAYERS = 2000
_MAX_LIST_BYTES = 100_000


class _Reader(MessageReader):
    """Reads the message; all its lists of numbers except weights share one limit."""

    def __init__(self) -> None:
        super().__init__()
        self._list_bytes_left = _MAX_LIST_BYTES

    def spend(self, size: int) -> None:
        self._list_bytes_left -= size
        if self._list_bytes_left < 0:
            raise WeightsError(f"its settings take more than {_MAX_LIST_BYTES} bytes, far too many")


Decode = Callable[[_Reader, Value], Iterable[Any]]
Schema = Mapping[int, tuple[str, Decode]]


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin like a NetParameter and contain a layer."""
    if not bytes(view[:2]).startswith(_STARTS):
        return False
    try:
        for number, value in MessageReader().fields(view):
            if number in (_LAYERS, _LAYER):
                return not isinstance(value, int) and value.nbytes > 1
    except WeightsError:
        pass
    return False


def read(view: memoryview) -> Message:
    """The network; the numbers of its blobs stay slices of `view`, as "data" and "double_data".

    Raises WeightsError if the message is damaged.
    """
    layers = sum(number in (_LAYERS, _LAYER) for number, _ in MessageReader().fields(view))
    if layers > _MAX_LAYERS:
        raise WeightsError(f"it has {layers} layers, expected {_MAX_LAYERS} at most")
    return _decoded(_Reader(), view, _NET)


def _decoded(reader: _Reader, message: memoryview, schema: Schema) -> Message:
    """The fields of a message that are in the schema."""
    found: Message = {}
    for number, value in reader.fields(message):
        if number in schema:
            name, decode = schema[number]
            found.setdefault(name, []).extend(decode(reader, value))
    return found


def _nested(schema: Schema) -> Decode:
    return lambda reader, value: (_decoded(reader, content(value), schema),)


def _raw(reader: _Reader, value: Value) -> Iterable[Value]:
    return (value,)


def _text(reader: _Reader, value: Value) -> Iterable[str]:
    return (text(value),)


def _ints(reader: _Reader, value: Value) -> Iterable[int]:
    if not isinstance(value, int):
        reader.spend(value.nbytes)
    return packed_varints(value)


def _floats(reader: _Reader, value: Value) -> Iterable[float]:
    data = content(value)
    reader.spend(data.nbytes)
    if data.nbytes % 4:
        raise WeightsError(f"a list of {data.nbytes} bytes, expected floats")
    return (number for (number,) in struct.iter_unpack("<f", data))


def _old_type(reader: _Reader, value: Value) -> Iterable[str]:
    return (_OLD_TYPES.get(number, f"number {number}") for number in _ints(reader, value))


_OLD_TYPES = {
    1: "ACCURACY",
    3: "CONCAT",
    4: "CONVOLUTION",
    5: "DATA",
    6: "DROPOUT",
    8: "FLATTEN",
    9: "HDF5_DATA",
    12: "IMAGE_DATA",
    17: "POOLING",
    18: "RELU",
    20: "SOFTMAX",
    21: "SOFTMAX_LOSS",
    22: "SPLIT",
    24: "WINDOW_DATA",
    25: "ELTWISE",
    29: "MEMORY_DATA",
    32: "DUMMY_DATA",
    36: "SILENCE",
}
_SHAPE: Schema = {1: ("dim", _ints)}
_BLOB: Schema = {
    **{i: (name, _ints) for i, name in enumerate(("num", "channels", "height", "width"), 1)},
    5: ("data", _raw),
    7: ("shape", _nested(_SHAPE)),
    8: ("double_data", _raw),
}
_CONVOLUTION: Schema = {
    1: ("num_output", _ints),
    3: ("pad", _ints),
    4: ("kernel_size", _ints),
    5: ("group", _ints),
    6: ("stride", _ints),
    9: ("pad_h", _ints),
    10: ("pad_w", _ints),
    11: ("kernel_h", _ints),
    12: ("kernel_w", _ints),
    13: ("stride_h", _ints),
    14: ("stride_w", _ints),
    18: ("dilation", _ints),
}
_POOLING: Schema = {
    1: ("pool", _ints),
    2: ("kernel_size", _ints),
    3: ("stride", _ints),
    4: ("pad", _ints),
    5: ("kernel_h", _ints),
    6: ("kernel_w", _ints),
    7: ("stride_h", _ints),
    8: ("stride_w", _ints),
    9: ("pad_h", _ints),
    10: ("pad_w", _ints),
    12: ("global_pooling", _ints),
}
_CONCAT: Schema = {1: ("concat_dim", _ints), 2: ("axis", _ints)}
_ELTWISE: Schema = {1: ("operation", _ints), 2: ("coeff", _floats)}
_RELU: Schema = {1: ("negative_slope", _floats)}
_TRANSFORM: Schema = {
    1: ("scale", _floats),
    3: ("crop_size", _ints),
    5: ("mean_value", _floats),
}
_INPUT: Schema = {1: ("shape", _nested(_SHAPE))}
_NEW_LAYER: Schema = {
    1: ("name", _text),
    2: ("type", _text),
    3: ("bottom", _text),
    4: ("top", _text),
    7: ("blobs", _nested(_BLOB)),
    100: ("transform_param", _nested(_TRANSFORM)),
    104: ("concat_param", _nested(_CONCAT)),
    106: ("convolution_param", _nested(_CONVOLUTION)),
    110: ("eltwise_param", _nested(_ELTWISE)),
    121: ("pooling_param", _nested(_POOLING)),
    123: ("relu_param", _nested(_RELU)),
    143: ("input_param", _nested(_INPUT)),
}
_OLD_LAYER: Schema = {
    2: ("bottom", _text),
    3: ("top", _text),
    4: ("name", _text),
    5: ("type", _old_type),
    6: ("blobs", _nested(_BLOB)),
    9: ("concat_param", _nested(_CONCAT)),
    10: ("convolution_param", _nested(_CONVOLUTION)),
    19: ("pooling_param", _nested(_POOLING)),
    24: ("eltwise_param", _nested(_ELTWISE)),
    30: ("relu_param", _nested(_RELU)),
    36: ("transform_param", _nested(_TRANSFORM)),
}
_NET: Schema = {
    3: ("input", _text),
    4: ("input_dim", _ints),
    8: ("input_shape", _nested(_SHAPE)),
    100: ("layer", _nested(_NEW_LAYER)),
    2: ("layers", _nested(_OLD_LAYER)),
}
