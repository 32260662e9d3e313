"""Reads .npz files of torchvision's names, as numpy.savez and numpy.savez_compressed write them.

The format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a zip archive
with an entry NAME.npy for each array, stored or deflated. Each begins with a magic, a version and
a header, the Python literal of a dictionary of three keys; the elements follow. The header is
matched, never evaluated, and arrays of pickled objects are refused. What sqznet adds is the array
"__metadata__": one string, a JSON object that maps strings to strings.
"""

from __future__ import annotations

import re
import zipfile

from sqznet.errors import WeightsError, shown
from sqznet.weights import archive, metadata
from sqznet.weights.checkpoint import (
    FLOAT_SIZES,
    MAX_DIMENSIONS,
    Checkpoint,
    RawTensor,
    element_count,
    is_ignored,
)
from sqznet.weights.mapped import WeightsFile

#: The array that says how the network wants to be fed.
METADATA_NAME = "__metadata__"

_SUFFIX = ".npy"
_FLOATS = {"<f2": "float16", "<f4": "float32", "<f8": "float64"}

_MAGIC = b"\x93NUMPY"
# By the format's version: how many bytes hold the header's length.
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_MAX_HEADER = 10_000  # NumPy's own limit
_FIELD = re.compile(
    r"""\s*(['"])(?P<key>\w+)\1\s*:\s*(?:
        (['"])(?P<text>[^'"\\]*)\3 | (?P<flag>True|False) | \((?P<sizes>[\d\s,]*)\)
    )\s*(?:,|$)""",
    re.VERBOSE | re.ASCII,
)
_MAX_DIGITS = 19
_STRING = re.compile(r"<U\d{1,9}", re.ASCII)
_CHARACTER_BYTES = 4
_MAX_METADATA = 16 << 20

# What the arrays of a file may take where they cannot stay as they lie in it. A SqueezeNet has 5 MB
# of float32, and every further thousand classes adds 2 MB.
_MAX_COPIED = 48 << 20


def looks_like(view: memoryview) -> bool:
    """Whether the bytes are a zip archive that begins with an array."""
    return archive.first_name(view).endswith(_SUFFIX.encode())


def read(file: WeightsFile) -> Checkpoint:
    """Read an .npz file.

    What its "__metadata__" does not say (see `sqznet.weights.metadata`) is as torchvision has it.
    Raises WeightsError (without the path) if anything in the file is not as it should be.
    """
    reader = _Reader(file.view)
    tensors: dict[str, RawTensor] = {}
    entries: dict[str, str] = {}
    for entry_name, entry in archive.entries(file.view).items():
        name = entry_name.removesuffix(_SUFFIX)
        if name == entry_name:
            raise WeightsError(f"its entry {shown(name)} is no array; expected names in {_SUFFIX}")
        if name == METADATA_NAME:
            entries = _metadata(reader.array(entry))
        elif not is_ignored(name):
            tensors[name] = reader.array(entry).tensor(name)
    return metadata.checkpoint(file, "npz", tensors, entries)


class _Array:
    """An array as its entry holds it; `data` is all that follows the header."""

    def __init__(self, kind: str, shape: tuple[int, ...], data: memoryview) -> None:
        self.kind = kind
        self.shape = shape
        self.data = data

    def tensor(self, name: str) -> RawTensor:
        if self.kind not in _FLOATS:
            fault = "holds pickled objects" if "O" in self.kind else f"has type {shown(self.kind)}"
            raise WeightsError(f"array {shown(name)} {fault}, expected one of {', '.join(_FLOATS)}")
        try:
            return RawTensor(_FLOATS[self.kind], self.shape, self.data)
        except WeightsError as error:
            raise WeightsError(f"array {shown(name)}: {error}") from None


class _Reader:
    """Takes the arrays out of one archive; all copies together stay within a limit."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._budget = _MAX_COPIED

    def array(self, entry: zipfile.ZipInfo) -> _Array:
        name = shown(entry.filename)
        if entry.compress_type == zipfile.ZIP_STORED:
            content = archive.stored(self._view, entry, "expected it as numpy.savez writes it")
        else:
            content = archive.expanded(self._view, entry, self._budget)
            self._budget -= content.nbytes
        version = bytes(content[:8])
        size = _LENGTH_BYTES.get(version[6], 0) if version[:6] == _MAGIC and version[7:] else 0
        if not size:
            raise WeightsError(f"its entry {name} begins with {version!r}; expected a NumPy array")
        begin = 8 + size
        length = int.from_bytes(content[8:begin], "little")
        if length > min(_MAX_HEADER, content.nbytes - begin):
            raise WeightsError(f"its entry {name} should have a header of {length} bytes")
        header = bytes(content[begin : begin + length])
        kind, fortran, shape = _parse_header(header, name)
        data = content[begin + length :]
        if fortran and kind in _FLOATS and len(shape) > 1:
            data = self._reordered(kind, shape, data, name)
        return _Array(kind, shape, data)

    def _reordered(
        self, kind: str, shape: tuple[int, ...], data: memoryview, name: str
    ) -> memoryview:
        """The elements in C order, given in Fortran's: the first index runs fastest."""
        if data.nbytes != element_count(shape) * FLOAT_SIZES[_FLOATS[kind]]:
            return data  # RawTensor says so
        self._budget -= data.nbytes
        if self._budget < 0:
            raise WeightsError(f"its entry {name} is in Fortran's order and too large to turn")
        import numpy as np

        array = np.frombuffer(data, kind).reshape(shape, order="F")
        return memoryview(array.tobytes())


def _parse_header(header: bytes, name: str) -> tuple[str, bool, tuple[int, ...]]:
    """Type, Fortran order and shape, from a dictionary's Python literal."""
    text = header.decode("latin-1").strip()
    found: dict[str, str] = {}
    fields = text[1:-1].rstrip() if text[:1] == "{" and text[-1:] == "}" else ""
    position = 0
    while match := _FIELD.match(fields, position):
        key, form = match["key"], str(match.lastgroup)
        found[f"{key} {form}"] = match[form]
        position = match.end()
    if position != len(fields) or set(found) != {"descr text", "fortran_order flag", "shape sizes"}:
        raise WeightsError(
            f"its entry {name} has the header {shown(text)}; expected that of a plain array"
        )
    sizes = [size.strip() for size in found["shape sizes"].split(",")]
    if sizes[-1] == "":
        del sizes[-1]
    if len(sizes) > MAX_DIMENSIONS or not all(
        size.isdigit() and len(size) <= _MAX_DIGITS for size in sizes
    ):
        raise WeightsError(f"its entry {name} has the shape ({shown(found['shape sizes'])})")
    return found["descr text"], found["fortran_order flag"] == "True", tuple(map(int, sizes))


def _metadata(array: _Array) -> dict[str, str]:
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
        raise WeightsError(f"array '{METADATA_NAME}' is no text ({error.reason})") from None
    return metadata.as_strings(metadata.parse_json(text.encode(), METADATA_NAME), METADATA_NAME)
