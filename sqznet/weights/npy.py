"""Reads arrays in NumPy's .npy format, the format of the entries of an .npz archive.

The format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a magic, a
version, the length of the header, the header (a Python literal of a dictionary with three keys) and
the elements. The header is matched, never evaluated.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sqznet.errors import WeightsError, shown
from sqznet.weights.checkpoint import MAX_DIMENSIONS

_MAGIC = b"\x93NUMPY"
# The number of bytes of the header's length, by the format's version.
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_MAX_HEADER = 10_000  # NumPy's own limit
_FIELD = re.compile(
    r"""\s*(['"])(?P<key>\w+)\1\s*:\s*(?:
        (['"])(?P<text>[^'"\\]*)\3 | (?P<flag>True|False) | \((?P<sizes>[\d\s,]*)\)
    )\s*(?:,|$)""",
    re.VERBOSE | re.ASCII,
)
_MAX_DIGITS = 19


class NpyArray(NamedTuple):
    """An array as its header describes it; shape and data may not match.

    kind: the element type as NumPy writes it, such as "<f4". fortran: whether the first index
    varies fastest. data: all bytes after the header.
    """

    kind: str
    fortran: bool
    shape: tuple[int, ...]
    data: memoryview


def parse(content: memoryview) -> NpyArray:
    """The array in these bytes.

    Raises WeightsError, with a message that continues a sentence ("has the shape ..."), if they are
    not an array or the element type has fields.
    """
    version = bytes(content[:8])
    size = _LENGTH_BYTES.get(version[6], 0) if version[:6] == _MAGIC and version[7:] else 0
    if not size:
        raise WeightsError(f"begins with {version!r}; expected a NumPy array")
    begin = 8 + size
    length = int.from_bytes(content[8:begin], "little")
    if length > min(_MAX_HEADER, content.nbytes - begin):
        raise WeightsError(f"should have a header of {length} bytes")
    kind, fortran, shape = _parse_header(bytes(content[begin : begin + length]))
    return NpyArray(kind, fortran, shape, content[begin + length :])


def _parse_header(header: bytes) -> tuple[str, bool, tuple[int, ...]]:
    """Element type, Fortran order and shape, from the Python literal of a dictionary."""
    text = header.decode("latin-1").strip()
    found: dict[str, str] = {}
    fields = text[1:-1].rstrip() if text[:1] == "{" and text[-1:] == "}" else ""
    position = 0
    while match := _FIELD.match(fields, position):
        key, form = match["key"], str(match.lastgroup)
        found[f"{key} {form}"] = match[form]
        position = match.end()
    if position != len(fields) or set(found) != {"descr text", "fortran_order flag", "shape sizes"}:
        raise WeightsError(f"has the header {shown(text)}; expected that of a plain array")
    sizes = [size.strip() for size in found["shape sizes"].split(",")]
    if sizes[-1] == "":
        del sizes[-1]
    if len(sizes) > MAX_DIMENSIONS or not all(
        size.isdigit() and len(size) <= _MAX_DIGITS for size in sizes
    ):
        raise WeightsError(f"has the shape ({shown(found['shape sizes'])})")
    return found["descr text"], found["fortran_order flag"] == "True", tuple(map(int, sizes))
