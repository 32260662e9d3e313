"""Reads .npz files with torchvision's names, as from numpy.savez and numpy.savez_compressed.

The format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a zip archive
with an entry NAME.npy for each array, stored or deflated. Arrays of pickled objects are refused.
sqznet adds the array "__metadata__": one string, a JSON object that maps strings to strings.
"""

from __future__ import annotations

import re
from functools import partial

from sqznet.errors import WeightsError, shown
from sqznet.weights import archive, metadata, npy, squeezedet
from sqznet.weights.checkpoint import (
    FLOAT_SIZES,
    Checkpoint,
    RawTensor,
    element_count,
)
from sqznet.weights.npy import NpyArray
from sqznet.weights.reading import WeightsFile
from sqznet.weights.reparametrized import finished
from sqznet.weights.state import Other
from sqznet.weights.statedict import find
from sqznet.weights.strict_json import parse_json

#: The array with the metadata.
METADATA_NAME = "__metadata__"

_SUFFIX = ".npy"
_FLOATS = {"<f2": "float16", "<f4": "float32", "<f8": "float64"}

_STRING = re.compile(r"<U\d{1,9}", re.ASCII)
_CHARACTER_BYTES = 4
_MAX_METADATA = 16 << 20

# Limit for the arrays of a file that must be copied. A SqueezeNet has 5 MB of float32, and every
# additional thousand classes add 2 MB.
_MAX_COPIED = 48 << 20


def looks_like(view: memoryview) -> bool:
    """Whether the bytes are a zip archive that begins with an array."""
    return archive.first_name(view).endswith(_SUFFIX.encode())


def read(file: WeightsFile) -> Checkpoint:
    """Reads an .npz file.

    Values missing in its "__metadata__" (see `sqznet.weights.metadata`) are torchvision's.
    Raises WeightsError (without the path) if the file is invalid.
    """
    reader = _Reader(file.view)
    tensors: dict[str, RawTensor | Other] = {}
    entries: dict[str, str] = {}
    for entry_name, entry in archive.entries(file.view).items():
        name = entry_name.removesuffix(_SUFFIX)
        if name == entry_name:
            raise WeightsError(
                f"its entry {shown(name)} is not an array; expected names in {_SUFFIX}"
            )
        if name == METADATA_NAME:
            entries = _metadata(reader.array(entry))
        else:
            tensors[name] = _tensor(reader.array(entry), name)
    if any(name.endswith("/W") for name in tensors):
        raise WeightsError("is a Chainer file; convert it to ONNX with onnx_chainer.export")
    if layers := squeezedet.variables(tensors):
        return squeezedet.checkpoint(file.name, "npz", layers, squeezedet.TENSORFLOW, entries)
    state = find(tensors, partial(finished, tensors), file.prefix, file.name)
    return metadata.checkpoint(file, "npz", state, entries)


def _tensor(array: NpyArray, name: str) -> RawTensor | Other:
    if array.kind not in _FLOATS:
        fault = "holds pickled objects" if "O" in array.kind else f"has type {shown(array.kind)}"
        return Other(f"{fault}, expected one of {', '.join(_FLOATS)}", array.shape)
    try:
        return RawTensor(_FLOATS[array.kind], array.shape, array.data)
    except WeightsError as error:
        raise WeightsError(f"array {shown(name)}: {error}") from None


class _Reader:
    """Extracts the arrays of one archive; all copies together stay within a limit."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._budget = _MAX_COPIED

    def array(self, entry: archive.Entry) -> NpyArray:
        name = shown(entry.name)
        if entry.compression == archive.STORED:
            content = archive.stored(self._view, entry, "expected it as numpy.savez writes it")
        else:
            content = archive.expanded(self._view, entry, self._budget)
            self._budget -= content.nbytes
        try:
            array = npy.parse(content)
        except WeightsError as error:
            raise WeightsError(f"its entry {name} {error}") from None
        if array.fortran and array.kind in _FLOATS and len(array.shape) > 1:
            return array._replace(data=self._reordered(array, name))
        return array

    def _reordered(self, array: NpyArray, name: str) -> memoryview:
        """The elements in C order, given in Fortran order: the first index varies fastest."""
        if array.data.nbytes != element_count(array.shape) * FLOAT_SIZES[_FLOATS[array.kind]]:
            return array.data  # RawTensor raises the error
        self._budget -= array.data.nbytes
        if self._budget < 0:
            raise WeightsError(f"its entry {name} is in Fortran order and too large to convert")
        import numpy as np

        turned = np.frombuffer(array.data, array.kind).reshape(array.shape, order="F")
        return memoryview(turned.tobytes())


def _metadata(array: NpyArray) -> dict[str, str]:
    if array.shape != () or not _STRING.fullmatch(array.kind):
        raise WeightsError(
            f"array '{METADATA_NAME}' is {shown(array.kind)} of shape {array.shape}, "
            "expected one string"
        )
    if array.data.nbytes != int(array.kind[2:]) * _CHARACTER_BYTES:
        raise WeightsError(f"array '{METADATA_NAME}' is cut short")
    if array.data.nbytes > _MAX_METADATA:
        raise WeightsError(
            f"array '{METADATA_NAME}' has {array.data.nbytes} bytes, "
            f"expected {_MAX_METADATA} at most"
        )
    try:
        text = str(array.data, "utf-32-le").rstrip("\0")
    except UnicodeDecodeError as error:
        raise WeightsError(f"array '{METADATA_NAME}' is not text ({error.reason})") from None
    return metadata.as_strings(parse_json(text.encode(), METADATA_NAME), METADATA_NAME)
