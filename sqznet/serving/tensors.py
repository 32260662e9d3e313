"""Requests and answers of the Open Inference Protocol, version 2: JSON, and tensors after it.

Sources: github.com/kserve/open-inference-protocol, and for tensors after the JSON and for
"classification" github.com/triton-inference-server/server (docs/protocol).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sqznet.errors import SqznetError, WeightsError, shown
from sqznet.weights.strict_json import parse_json

#: Images that one request may have.
MAX_IMAGES = 64

_DTYPES: dict[str, Any] = {"FP32": np.dtype("<f4"), "UINT8": np.dtype("u1")}
_TYPES = ("FP32", "UINT8", "BYTES")
_JSON = json.JSONEncoder(separators=(",", ":"))
_SIZE_LENGTH = 4  # bytes before each element of a binary BYTES tensor


class Wanted(NamedTuple):
    """An output that is asked for: after the JSON or in it, and as its ``classes`` best classes
    instead of all scores, if that is not 0."""

    name: str
    binary: bool
    classes: int


class Request(NamedTuple):
    """``images``: a float32 array (N, 3, H, W), a uint8 array (N, H, W, 3), or N image files.
    ``wanted``: None for all outputs, then ``binary`` says where these go."""

    id: str | None
    images: npt.NDArray[Any] | list[bytes]
    wanted: list[Wanted] | None
    binary: bool


class Output(NamedTuple):
    """An array of the answer; elements of type object are bytes."""

    name: str
    values: npt.NDArray[Any]
    binary: bool


def read(body: bytes | memoryview, json_length: int, input_name: str) -> Request:
    """The request in a body whose first ``json_length`` bytes are JSON.

    Raises SqznetError, saying what was found and expected.
    """
    if not 0 <= json_length <= len(body):
        raise SqznetError(f"{json_length} bytes of JSON are announced, the body has {len(body)}")
    try:
        document = parse_json(bytes(body[:json_length]), "the request")
    except WeightsError as error:
        raise SqznetError(str(error)) from None
    request = _mapping(document, "the request")
    inputs = _list(request.get("inputs"), "inputs")
    if len(inputs) != 1:
        raise SqznetError(f"{len(inputs)} inputs, expected one, named {input_name!r}")
    tensor = _mapping(inputs[0], "an input")
    if tensor.get("name") != input_name:
        raise SqznetError(f"no input {shown(tensor.get('name'))}, expected {input_name!r}")
    images = _images(tensor, memoryview(body)[json_length:])
    name = request.get("id")
    if not isinstance(name, str | None):
        raise SqznetError(f"id is {shown(name)}, expected text")
    parameters = _parameters(request)
    binary = _flag(parameters, "binary_data_output", False)
    wanted = None
    if (outputs := request.get("outputs")) is not None:
        wanted = [_wanted(output, binary) for output in _list(outputs, "outputs")]
    return Request(name, images, wanted, binary)


def write(head: Mapping[str, Any], outputs: Sequence[Output]) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON if tensors follow that."""
    described: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for name, values, binary in outputs:
        tensor: dict[str, Any] = {
            "name": name,
            "datatype": _type_of(values),
            "shape": list(values.shape),
        }
        if binary:
            blobs.append(_encoded(values))
            tensor["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            flat = values.ravel().tolist()
            tensor["data"] = [x.decode() for x in flat] if values.dtype == object else flat
        described.append(tensor)
    text = _JSON.encode({**head, "outputs": described}).encode()
    return b"".join((text, *blobs)), len(text) if blobs else None


def classification(
    scores: npt.NDArray[np.float32], labels: Sequence[str], count: int
) -> npt.NDArray[np.object_]:
    """The ``count`` best classes of each row as Triton's clients expect it: "score:index:label"."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    rows = [
        [f"{row[i]:f}:{i}:{labels[i]}".encode() for i in chosen]
        for row, chosen in zip(scores, best.tolist(), strict=True)
    ]
    found = np.empty(best.shape, np.object_)
    found[:] = rows
    return found


def _images(tensor: Mapping[str, Any], blob: memoryview) -> npt.NDArray[Any] | list[bytes]:
    kind = tensor.get("datatype")
    if kind not in _TYPES:
        raise SqznetError(f"datatype is {shown(kind)}, expected one of {', '.join(_TYPES)}")
    shape = _shape(tensor.get("shape"))
    count = math.prod(shape)
    size = _parameters(tensor).get("binary_data_size")
    if size is None:
        if blob:
            raise SqznetError(f"{len(blob)} bytes follow the JSON, but no binary_data_size")
        values = _list(tensor.get("data"), "data")
        return _files(values, shape) if kind == "BYTES" else _numbers(values, kind, shape)
    if size != len(blob) or isinstance(size, bool):
        raise SqznetError(f"binary_data_size is {shown(size)}, {len(blob)} bytes follow the JSON")
    if "data" in tensor:
        raise SqznetError("an input has both data and binary_data_size, expected one")
    if kind == "BYTES":
        return _elements(blob, count, shape)
    dtype = _DTYPES[kind]
    if len(blob) != count * dtype.itemsize:
        raise SqznetError(
            f"{len(blob)} bytes, {kind} of shape {shape} has {count * dtype.itemsize}"
        )
    return _finite(np.frombuffer(blob, dtype).reshape(shape))


def _numbers(values: list[Any], kind: str, shape: Sequence[int]) -> npt.NDArray[Any]:
    try:
        found = np.array(values)
    except ValueError:
        raise SqznetError("data is nested unevenly, expected rows of one length") from None
    kinds = "iu" if kind == "UINT8" else "iuf"
    if found.dtype.kind not in kinds:
        raise SqznetError(f"data holds something else than numbers of type {kind}")
    if found.size != math.prod(shape):
        raise SqznetError(f"{found.size} numbers, the shape {list(shape)} has {math.prod(shape)}")
    if kind == "UINT8" and not 0 <= found.min() <= found.max() <= 255:
        raise SqznetError("data holds numbers outside 0 to 255, expected UINT8")
    with np.errstate(over="ignore"):
        return _finite(found.reshape(shape).astype(_DTYPES[kind]))


def _finite(found: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise SqznetError("the input holds values that are not finite in float32")
    return found


def _files(values: list[Any], shape: Sequence[int]) -> list[bytes]:
    """Image files as JSON has them: base64."""
    _require_files(len(values), shape)
    files: list[bytes] = []
    for value in values:
        try:
            files.append(base64.b64decode(value, validate=True))
        except (binascii.Error, TypeError, ValueError):
            raise SqznetError("data of type BYTES must be image files in base64") from None
    return files


def _elements(blob: memoryview, count: int, shape: Sequence[int]) -> list[bytes]:
    """Image files as a binary tensor has them: each after its length."""
    found: list[bytes] = []
    start = 0
    while start < len(blob) and len(found) <= count:
        end = start + _SIZE_LENGTH
        if end > len(blob):
            raise SqznetError("the BYTES tensor ends within the length of an element")
        (size,) = struct.unpack("<I", blob[start:end])
        start = end + size
        if start > len(blob):
            raise SqznetError(f"an element of {size} bytes, but {len(blob) - end} are left")
        found.append(bytes(blob[end:start]))
    _require_files(len(found), shape)
    return found


def _require_files(count: int, shape: Sequence[int]) -> None:
    if count != math.prod(shape) or any(length != 1 for length in shape[1:]):
        raise SqznetError(f"{count} files, expected the shape [{count}], not {list(shape)}")


def _encoded(values: npt.NDArray[Any]) -> bytes:
    if values.dtype == object:
        return b"".join(struct.pack("<I", len(x)) + x for x in values.ravel())
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _type_of(values: npt.NDArray[Any]) -> str:
    return {"O": "BYTES", "b": "BOOL", "f": "FP32"}[values.dtype.kind]


def _shape(value: Any) -> list[int]:
    shape = _list(value, "shape")
    if not shape or not all(type(x) is int and x > 0 for x in shape):
        raise SqznetError("shape must be a list of whole numbers from 1 up")
    if shape[0] > MAX_IMAGES:
        raise SqznetError(f"{shape[0]} images, expected at most {MAX_IMAGES} in a request")
    return shape


def _wanted(value: Any, binary: bool) -> Wanted:
    output = _mapping(value, "an output")
    name = output.get("name")
    if not isinstance(name, str):
        raise SqznetError(f"the name of an output is {shown(name)}, expected text")
    parameters = _parameters(output)
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        raise SqznetError(f"classification is {shown(classes)}, expected a number of classes")
    return Wanted(name, _flag(parameters, "binary_data", binary), classes)


def _parameters(owner: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(owner.get("parameters", {}), "parameters")


def _flag(parameters: Mapping[str, Any], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise SqznetError(f"{name} is {shown(value)}, expected true or false")
    return value


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SqznetError(f"{what}: found {_kind(value)}, expected a JSON object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise SqznetError(f"{what}: found {_kind(value)}, expected a JSON array")
    return value


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
