"""Reads compressed files, which `sqznet.compress` writes: integers of few bits, entropy-coded.

docs/compression.md describes the format. All is little-endian: `MAGIC`; XXH64 of the header and of
what is decoded (uint64); the number of bytes of the header (uint32); the header, JSON compressed by
zlib; the biases, float16; the stream of an rANS coder (csrc/core/entropy.h) with static tables.

The header is an object of "metadata" (see `sqznet.weights.metadata`), "layers" and "tables". A
layer is a list: the name of a convolution, the shape of its weights, and four numbers that are
added to the four lists of its stream. A table is a list of codes for the frequencies of tokens.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

from sqznet import _kernels
from sqznet.errors import WeightsError, shown
from sqznet.network.layers import Shape
from sqznet.weights import metadata
from sqznet.weights.checkpoint import MAX_DIMENSIONS, Checkpoint, RawTensor
from sqznet.weights.reading import MAX_BYTES, WeightsFile
from sqznet.weights.state import State
from sqznet.weights.strict_json import parse_json

#: How a file begins; the last byte is the version of the format.
MAGIC = b"sqznet\x1a\x01"

#: The parts between the magic and the header: hash, and bytes of the header.
FIXED = struct.Struct("<QI")

#: The tables of the lists that come with each layer, in the order of the stream: exponents and
#: classes of the rows, then of the columns. The tables of weights follow.
SIDES = 4

_START = len(MAGIC) + FIXED.size
_MAX_HEADER = 4 << 20  # bytes of JSON, as in safetensors
_MAX_LAYERS = 1000
_MAX_TABLES = 256

# Real files have more than two bits for a weight; what claims to have less than an eighth is
# damaged, and is refused before memory is taken for it.
_WEIGHTS_PER_BYTE = 64
_MAX_WEIGHTS = MAX_BYTES // 4


class Layer(NamedTuple):
    """A convolution of the file: its name, the shape of its weights, (rows, ...), and what is
    added to each of its `SIDES` lists."""

    name: str
    shape: Shape
    offsets: tuple[int, ...]

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def columns(self) -> int:
        return prod(self.shape[1:])


class Header(NamedTuple):
    """metadata: strings by name. tables: for each table, the frequency of each token."""

    metadata: dict[str, str]
    layers: tuple[Layer, ...]
    tables: list[list[int]]


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin like such a file, of any version."""
    return bytes(view[: len(MAGIC) - 1]) == MAGIC[:-1]


def read(file: WeightsFile) -> Checkpoint:
    """Reads a compressed file; the weights become float32.

    Raises WeightsError (without the path) if the file is invalid, or if what was decoded does not
    have the hash that the file states.
    """
    view = file.view
    if bytes(view[: len(MAGIC)]) != MAGIC:
        found = view[len(MAGIC) - 1] if view.nbytes >= len(MAGIC) else "none"
        raise WeightsError(
            f"a compressed file of version {found}, expected {MAGIC[-1]}: a newer sqznet may read "
            "it"
        )
    if view.nbytes < _START:
        raise WeightsError("the compressed file was cut short")
    stated, length = FIXED.unpack_from(view, len(MAGIC))
    packed = view[_START : _START + length]
    header = parse_header(_inflated(packed, length))
    biases, stream = _parts(header, view[_START + length :])
    tensors: dict[str, RawTensor] = {}
    found = hash_of([packed])
    try:
        for layer, weights, bias in _decoded(header, biases, stream):
            tensors[f"{layer.name}.weight"] = RawTensor("float32", layer.shape, weights)
            tensors[f"{layer.name}.bias"] = RawTensor("float16", layer.shape[:1], bias)
            found = hash_of([weights, bias], found)
    except ValueError as error:
        raise WeightsError(f"{error}: the compressed file is damaged, or was cut short") from None
    if found != stated:
        raise WeightsError(
            f"the compressed file is damaged: what it holds has the hash {found:016x}, expected "
            f"{stated:016x}"
        )
    checkpoint = metadata.checkpoint(file, "compressed", State(tensors, {}), header.metadata)
    reasons = {**checkpoint.reasons, "precision": "integers of few bits in the file, decoded"}
    return checkpoint._replace(reasons=reasons)


def hash_of(parts: Sequence[Any], seed: int = 0) -> int:
    """The hash of buffers: the one of each is the seed of the next."""
    for part in parts:
        seed = _kernels.hash64(part, seed)
    return seed


def frequencies(codes: Sequence[int]) -> list[int]:
    """The frequency of each token for these codes of all but the first, which has the rest.

    A code is a float of four bits, b + 8 (b + 8, doubled for every eight more), so that a table
    needs no more than a byte for each token. Raises WeightsError if there is no rest.
    """
    found = [_frequency(code) for code in codes]
    rest = _kernels.TABLE_SUM - sum(found)
    if rest < 1:
        raise WeightsError("the frequencies of a table add up to too much")
    return [rest, *found, *[0] * (_kernels.TOKENS - 1 - len(found))]


def _frequency(code: int) -> int:
    return code if code < 8 else (8 + code % 8) << (code // 8 - 1)


def parse_header(text: bytes) -> Header:
    """Raises WeightsError if it is invalid."""
    header = parse_json(text, "the header")
    if not isinstance(header, dict) or set(header) != {"metadata", "layers", "tables"}:
        raise WeightsError("the header should be an object of metadata, layers and tables")
    strings = metadata.as_strings(header["metadata"], '"metadata" in the header')
    layers, tables = header["layers"], header["tables"]
    if not isinstance(layers, list) or not 0 < len(layers) <= _MAX_LAYERS:
        raise WeightsError(f'"layers" in the header should be a list of 1 to {_MAX_LAYERS}')
    if not isinstance(tables, list) or not SIDES < len(tables) <= _MAX_TABLES:
        raise WeightsError(
            f'"tables" in the header should be a list of {SIDES + 1} to {_MAX_TABLES}'
        )
    found = tuple(map(_layer, layers))
    if len({layer.name for layer in found}) != len(found):
        raise WeightsError("two layers of the header have the same name")
    return Header(strings, found, [_table(table) for table in tables])


def _layer(value: object) -> Layer:
    if not isinstance(value, list) or len(value) != 3:
        raise WeightsError("a layer of the header should be a name, a shape and offsets")
    name, shape, offsets = value
    if not isinstance(name, str):
        raise WeightsError(f"a layer of the header is called {shown(name)}, expected a string")
    whole = _are_integers(shape) and _are_integers(offsets)
    if not whole or not 2 <= len(shape) <= MAX_DIMENSIONS or len(offsets) != SIDES:
        raise WeightsError(f"{shown(name)}: expected a shape and {SIDES} offsets")
    if min(shape) < 1 or max(shape) > _MAX_WEIGHTS:
        raise WeightsError(f"{shown(name)}: the shape {shape} is impossible")
    if max(map(abs, offsets)) > _kernels.LARGEST_CODED:
        raise WeightsError(f"{shown(name)}: the offsets {offsets} are impossible")
    return Layer(name, tuple(shape), tuple(offsets))


def _table(value: Any) -> list[int]:
    if not _are_integers(value) or not all(0 <= code < _MAX_TABLES for code in value):
        raise WeightsError("a table of the header should be a list of bytes")
    if len(value) >= _kernels.TOKENS:
        raise WeightsError(
            f"a table of the header has {len(value)} codes, expected {_kernels.TOKENS - 1} at most"
        )
    return frequencies(value)


def _are_integers(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int for item in value)


def _inflated(data: memoryview, length: int) -> bytes:
    if data.nbytes != length:
        raise WeightsError(
            f"the header should have {length} bytes, but {data.nbytes} follow; the compressed file "
            "was cut short"
        )
    inflating = zlib.decompressobj()
    try:
        text = inflating.decompress(data, _MAX_HEADER)
    except zlib.error as error:
        raise WeightsError(f"the header of the compressed file is damaged: {error}") from None
    if not inflating.eof or inflating.unused_data:
        raise WeightsError("the header of the compressed file is damaged, or too large")
    return text


def _parts(header: Header, body: memoryview) -> tuple[memoryview, memoryview]:
    """The biases and the stream, after checking that so many bytes can hold the layers."""
    size = 2 * sum(layer.rows for layer in header.layers)
    weights = sum(layer.rows * layer.columns for layer in header.layers)
    if weights > min(_MAX_WEIGHTS, max(0, body.nbytes - size) * _WEIGHTS_PER_BYTE):
        raise WeightsError(
            f"{body.nbytes} bytes cannot hold the {weights} weights of its layers; the compressed "
            "file was cut short, or is damaged"
        )
    return body[:size], body[size:]


def _decoded(
    header: Header, biases: memoryview, stream: memoryview
) -> Iterator[tuple[Layer, memoryview, memoryview]]:
    """Each layer with its weights and its biases. Raises ValueError if the stream is damaged."""
    decoder = _kernels.Decoder(stream, header.tables)
    for layer in header.layers:
        lists = []
        for table, offset in enumerate(layer.offsets):
            count = layer.rows if table < SIDES // 2 else layer.columns
            lists.append([value + offset for value in decoder.values(table, count)])
        weights = decoder.weights((lists[0], lists[1]), (lists[2], lists[3]), SIDES)
        yield layer, memoryview(weights), biases[: 2 * layer.rows]
        biases = biases[2 * layer.rows :]
    decoder.finish()
