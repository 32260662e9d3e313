"""Reads safetensors files.

The format (https://github.com/huggingface/safetensors): the header's length as an unsigned 64-bit
little-endian integer, the header (a JSON object that maps each name to dtype, shape and the begin
and end of its bytes; "__metadata__" maps strings to strings), then the tensors' bytes without gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from sqznet.errors import WeightsError, shown
from sqznet.weights import metadata
from sqznet.weights.checkpoint import (
    MAX_DIMENSIONS,
    Checkpoint,
    RawTensor,
    element_count,
)
from sqznet.weights.reading import WeightsFile
from sqznet.weights.state import Other, State
from sqznet.weights.strict_json import parse_json

# How the names in files of sqznet and torchvision begin and end, and one that all have.
_STARTS, _ENDS, _STEM = ("features.", "classifier.1."), (".weight", ".bias"), "features.0.weight"
_HEAD = "head."  # and those of a detector's head

_FLOATS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_ITEM_SIZES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
_LENGTH_BYTES = 8

# The header of a SqueezeNet with a thousand labels takes 25 kB. Parsed JSON takes many times the
# bytes of its text, so this limit is below the format's own 100 MB.
_MAX_HEADER = 4 << 20

#: The value of "_kind" in the metadata of files from `sqznet.learning.storage`.
RECOGNIZER = "sqznet recognizer"
_RECOGNIZER_START = f'{{"__metadata__":{{"_kind":"{RECOGNIZER}"'.encode()

#: How many bytes tell whether a file is a recognizer.
START = _LENGTH_BYTES + len(_RECOGNIZER_START)

_Header = Mapping[str, Any]


def is_recognizer(view: memoryview) -> bool:
    """Whether the file is a recognizer from `sqznet.learn`, not weights."""
    start = view[_LENGTH_BYTES : _LENGTH_BYTES + len(_RECOGNIZER_START)]
    return bytes(start) == _RECOGNIZER_START


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin like a safetensors file: a length, then a JSON object."""
    return bytes(view[_LENGTH_BYTES : _LENGTH_BYTES + 1]) == b"{"


def read(file: WeightsFile) -> Checkpoint:
    """Reads a safetensors file.

    Values missing in its metadata (see `sqznet.weights.metadata`) are torchvision's.
    Raises WeightsError (without the path) if the file is invalid.
    """
    if is_recognizer(file.view):
        raise WeightsError("is a recognizer, which sqznet.load opens; expected a weights file")
    stated, header, body = parse(file.view)
    state = _state(file, _tensors(header, body, stated), metadata.DETECTOR in stated)
    checkpoint = metadata.checkpoint(file, "safetensors", state, stated)
    if not any(tensor.dtype == "int8" for tensor in checkpoint.tensors.values()):
        return checkpoint
    return _with_input_scales(checkpoint)


def parse(view: memoryview) -> tuple[dict[str, str], _Header, memoryview]:
    """The metadata; the header's other entries, for `entries` to check; the tensors' bytes."""
    length = int.from_bytes(view[:_LENGTH_BYTES], "little")
    available = view.nbytes - _LENGTH_BYTES
    if length > available:
        raise WeightsError(
            f"the safetensors header should have {length} bytes, but {available} bytes follow; "
            "the file was cut short, or is something else"
        )
    if length > _MAX_HEADER:
        raise WeightsError(
            f"the safetensors header has {length} bytes, expected {_MAX_HEADER} at most"
        )
    header = parse_json(bytes(view[_LENGTH_BYTES : _LENGTH_BYTES + length]), "header")
    if not isinstance(header, dict):
        raise WeightsError("the safetensors header is not a JSON object")
    stated = metadata.as_strings(
        header.pop("__metadata__", {}), '"__metadata__" in the safetensors header'
    )
    return stated, header, view[_LENGTH_BYTES + length :]


def entries(
    header: _Header, body: memoryview
) -> Iterator[tuple[str, str, tuple[int, ...], memoryview]]:
    """Yields each tensor's name, the format's name of its element type, shape and bytes.

    Raises WeightsError, at the latest at the end, if they violate the format.
    """
    ranges: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        dtype, shape, begin, end = _entry(name, entry)
        needed = element_count(shape) * _ITEM_SIZES[dtype]
        if end - begin != needed:
            raise WeightsError(
                f"tensor {shown(name)}: {dtype} of shape {list(shape)} takes {needed} bytes, "
                f"but its offsets [{begin}, {end}] give it {end - begin}"
            )
        if end > body.nbytes:
            raise WeightsError(
                f"tensor {shown(name)} ends at byte {end} of the data, which has {body.nbytes}; "
                "the file was cut short"
            )
        ranges.append((begin, end, name))
        yield name, dtype, shape, body[begin:end]
    _check_cover(sorted(ranges), body.nbytes)


def _state(file: WeightsFile, found: dict[str, RawTensor | Other], is_detector: bool) -> State:
    starts = (*_STARTS, _HEAD) if is_detector else _STARTS
    plain = {
        name: tensor
        for name, tensor in found.items()
        if isinstance(tensor, RawTensor)
        and len(tensor.shape) in (1, 4)
        and name.startswith(starts)
        and name.endswith(_ENDS)
    }
    if len(plain) == len(found) and _STEM in plain and file.prefix is None:
        return State(plain, {})
    from sqznet.weights.reparametrized import finished
    from sqznet.weights.statedict import find  # takes time that the bundled file does not need

    return find(found, partial(finished, found), file.prefix, file.name)


def _tensors(
    header: _Header, body: memoryview, stated: Mapping[str, str]
) -> dict[str, RawTensor | Other]:
    scales: Mapping[str, memoryview] | None = None
    found: dict[str, RawTensor | Other] = {}
    for name, dtype, shape, data in entries(header, body):
        if dtype == "I8" and scales is None:
            scales = _scales(stated)
        if dtype == "I8" and scales and name in scales:
            found[name] = RawTensor("int8", shape, data, scales[name])
        elif dtype in _FLOATS:
            found[name] = RawTensor(_FLOATS[dtype], shape, data)
        else:
            reason = f"has element type {dtype}, expected one of {', '.join(_FLOATS)}"
            found[name] = Other(reason, shape)
    return found


def _scales(stated: Mapping[str, str]) -> dict[str, memoryview]:
    """Those of int8 weights, by the name of the tensor, if the file states them."""
    from sqznet.quantization.description import little_endian
    from sqznet.weights.integers import read_integers

    if "integers" not in stated:
        return {}
    convs = read_integers(stated["integers"]).convs
    return {f"{name}.weight": little_endian(conv.weight_scales) for name, conv in convs.items()}


def _with_input_scales(checkpoint: Checkpoint) -> Checkpoint:
    """The same checkpoint; its int8 tensors know the scales of what they are multiplied with."""
    from sqznet.quantization.description import little_endian
    from sqznet.quantization.plan import plan  # takes time that other files do not need

    assert checkpoint.integers is not None
    try:
        convs = plan(checkpoint.network(), checkpoint.integers).convs
    except WeightsError as error:
        reason = str(error).removeprefix(f"{checkpoint.path}: ")
        raise WeightsError(f"its integers do not fit its tensors: {reason}") from None
    tensors = dict(checkpoint.tensors)
    for name, conv in convs.items():
        weight = tensors[f"{name}.weight"]
        if weight.dtype == "int8":
            tensors[f"{name}.weight"] = RawTensor(
                weight.dtype,
                weight.shape,
                weight.data,
                weight.scales,
                little_endian(conv.input_scales),
            )
    return checkpoint._replace(
        tensors=tensors,
        reasons={**checkpoint.reasons, "precision": "int8 in the file, with its scales"},
    )


def _entry(name: str, entry: object) -> tuple[str, tuple[int, ...], int, int]:
    """Dtype, shape, begin and end of a header entry, checked only for their types."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise WeightsError(f"tensor {shown(name)}: expected dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEM_SIZES:
        raise WeightsError(f"tensor {shown(name)}: unknown element type {shown(dtype)}")
    if not _is_sizes(shape) or len(shape) > MAX_DIMENSIONS:
        raise WeightsError(f"tensor {shown(name)}: expected a list of dimensions as its shape")
    if not _is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise WeightsError(f"tensor {shown(name)}: expected [begin, end] as its data_offsets")
    return dtype, tuple(shape), offsets[0], offsets[1]


def _is_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_cover(ranges: list[tuple[int, int, str]], size: int) -> None:
    """Checks that every byte of the data belongs to exactly one tensor, as required."""
    position = 0
    for begin, end, name in ranges:
        if begin != position:
            fault = "overlaps the tensor before it" if begin < position else "follows a gap"
            raise WeightsError(f"tensor {shown(name)} {fault}")
        position = end
    if position != size:
        raise WeightsError(f"{size - position} bytes at the end do not belong to a tensor")
