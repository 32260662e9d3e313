"""Writes compressed files; `sqznet.weights.compressed` describes the format."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sqznet import _kernels
from sqznet.weights import compressed
from sqznet.weights.reading import WeightsFile
from sqznet.weights.strict_json import compact

Integers = npt.NDArray[np.int32]

# Classes of the spread of integers: so many for each doubling of their mean magnitude, which is
# counted from the least.
_PER_OCTAVE = 3
_LEAST_SPREAD = 0.02
_SWEEPS = 8

_TOKEN_OF = np.array([_kernels.token_of(value) for value in range(_kernels.LARGEST_CODED + 1)])
# The frequencies that a table's codes stand for, and the values halfway between them.
_FREQUENCIES = np.array(
    [next(f for f in compressed.frequencies([code])[1:]) for code in range(80)], float
)
_HALFWAY = (_FREQUENCIES[1:] + _FREQUENCIES[:-1]) / 2


class Coded(NamedTuple):
    """A convolution as a compressed file has it: weight[o, k] is integers[o, k] times
    2**((rows[o] + columns[k]) / 2).

    integers: (O, K). rows, columns: exponents. bias: float16 (O,). shape: of the weights.
    """

    name: str
    shape: tuple[int, ...]
    integers: Integers
    rows: Integers
    columns: Integers
    bias: npt.NDArray[np.float16]


def encode(layers: Sequence[Coded], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a compressed file. The same input gives the same bytes."""
    spreads = [_spreads(layer.integers) for layer in layers]
    lists: list[tuple[Integers, ...]] = []
    offsets = []
    for layer, (rows, columns) in zip(layers, spreads, strict=True):
        own = (layer.rows, rows, layer.columns, columns)
        middles = tuple(int(np.median(values)) for values in own)
        offsets.append(middles)
        lists.append(tuple(v - middle for v, middle in zip(own, middles, strict=True)))
    last = max(int((rows[:, None] + columns).max()) for rows, columns in spreads)
    coded: list[tuple[Integers, Integers]] = []  # tables and values of equally long rows
    for layer, sides, (high, wide) in zip(layers, lists, spreads, strict=True):
        coded += [(np.full((1, len(side)), i), side[None]) for i, side in enumerate(sides)]
        classes = np.clip(high[:, None] + wide, 0, last)
        coded.append((classes + compressed.SIDES, layer.integers))
    counts = np.zeros((compressed.SIDES + last + 1, _kernels.TOKENS), np.int64)
    for tables, values in coded:
        np.add.at(counts, (tables, _TOKEN_OF[np.abs(values)]), 1)
    codes = [_codes(row) for row in counts]
    encoder = _kernels.Encoder([compressed.frequencies(table) for table in codes])
    for tables, values in coded:
        encoder.add(values.shape[1], tables.ravel().tolist(), values.ravel().tolist())
    header = compact(
        {
            "metadata": dict(metadata),
            "layers": [
                [layer.name, layer.shape, own] for layer, own in zip(layers, offsets, strict=True)
            ],
            "tables": codes,
        }
    ).encode()
    packed = zlib.compress(header, 9)
    found = compressed.hash_of([packed])
    for layer in layers:
        found = compressed.hash_of([decoded(layer), layer.bias.astype("<f2")], found)
    fixed = compressed.FIXED.pack(found, len(packed))
    biases = b"".join(layer.bias.astype("<f2").tobytes() for layer in layers)
    return compressed.MAGIC + fixed + packed + biases + encoder.stream()


def restated(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """The same compressed file with other metadata."""
    start = len(compressed.MAGIC) + compressed.FIXED.size
    _, length = compressed.FIXED.unpack_from(content, len(compressed.MAGIC))
    header = json.loads(zlib.decompress(content[start : start + length]))
    packed = zlib.compress(compact({**header, "metadata": dict(metadata)}).encode(), 9)
    tensors = compressed.read(WeightsFile("compressed", "compressed", memoryview(content))).tensors
    found = compressed.hash_of([packed])
    for name, *_ in header["layers"]:
        parts = [tensors[f"{name}.{part}"].data for part in ("weight", "bias")]
        found = compressed.hash_of(parts, found)
    fixed = compressed.FIXED.pack(found, len(packed))
    return compressed.MAGIC + fixed + packed + content[start + length :]


def decoded(layer: Coded) -> npt.NDArray[np.float32]:
    """The weights, as a reader decodes them."""
    return weights(layer.integers, layer.rows, layer.columns).reshape(layer.shape)


def weights(integers: Any, rows: Integers, columns: Integers) -> npt.NDArray[np.float32]:
    """The weights (O, K) that these stand for."""
    exponents = rows[:, None] + columns
    odd = np.where(exponents & 1, np.float32(2**0.5), np.float32(1.0))
    return np.asarray(np.float32(integers) * np.ldexp(odd, exponents >> 1), np.float32)


def _spreads(integers: Integers) -> tuple[Integers, Integers]:
    """The classes of rows and of columns, whose sums are those of the integers.

    The mean magnitude of an integer is modeled as a product of its row's and its column's factor.
    """
    magnitudes = np.abs(integers) + _LEAST_SPREAD
    columns = np.ones(magnitudes.shape[1])
    rows = magnitudes.mean(axis=1)
    for _ in range(_SWEEPS):
        columns = (magnitudes / rows[:, None]).mean(axis=0)
        rows = (magnitudes / columns).mean(axis=1)
    # The columns' factors stay near 1; the rows' carry the scale.
    mean = np.exp(np.log(columns).mean())
    of_rows = np.rint(_PER_OCTAVE * np.log2(rows * mean / _LEAST_SPREAD))
    return of_rows.astype(np.int32), np.rint(_PER_OCTAVE * np.log2(columns / mean)).astype(np.int32)


def _codes(counts: Any) -> list[int]:
    """The codes of the frequencies of all tokens but the first, for these counts."""
    used = np.flatnonzero(counts[1:])
    if not used.size:
        return []
    counts = counts[: used[-1] + 2]
    wanted = counts[1:] * (_kernels.TABLE_SUM / counts.sum())
    codes = np.where(counts[1:] > 0, np.maximum(np.searchsorted(_HALFWAY, wanted), 1), 0)
    while _FREQUENCIES[codes].sum() >= _kernels.TABLE_SUM:
        # The one that is farthest above what it should have.
        excess = np.where(codes > 1, _FREQUENCIES[codes] / np.maximum(wanted, 1), 0)
        codes[np.argmax(excess)] -= 1
    return [int(code) for code in codes]
