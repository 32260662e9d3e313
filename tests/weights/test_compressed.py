"""Compressed files: what is written is read back, and damage is noticed."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import _kernels, weights
from sqznet.compression.encoding import decoded
from sqznet.errors import WeightsError
from sqznet.network.variants import Wiring
from sqznet.weights import compressed
from sqznet.weights.strict_json import compact

from ..fuzz.harness import attempt
from ..support import networks
from ..support.compressed_files import coded, compressed_file
from ..support.quantizable import PIXELS

_FIXED = len(compressed.MAGIC) + compressed.FIXED.size


def save(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def header_of(content: bytes) -> dict[str, Any]:
    import json

    _, length = compressed.FIXED.unpack_from(content, len(compressed.MAGIC))
    found: dict[str, Any] = json.loads(zlib.decompress(content[_FIXED : _FIXED + length]))
    return found


def with_header(content: bytes, header: Any) -> bytes:
    """The same file with another header, whose hash is not that of the content."""
    stated, length = compressed.FIXED.unpack_from(content, len(compressed.MAGIC))
    text = header if isinstance(header, bytes) else compact(header).encode()
    packed = zlib.compress(text)
    fixed = compressed.FIXED.pack(stated, len(packed))
    return compressed.MAGIC + fixed + packed + content[_FIXED + length :]


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
@pytest.mark.parametrize("base", ["squeezenet1_0", "squeezenet1_1"])
def test_what_is_written_is_read(tmp_path: Path, base: str, bypass: str) -> None:
    labels = tuple("äbcdefg")
    wiring = Wiring(conv10_padding=1)
    content = compressed_file(base, bypass, labels=labels, wiring=wiring)
    found = weights.read(save(tmp_path / "small.sqz", content))
    assert found.format == "compressed"
    assert (found.labels, found.wiring, found.preprocessing) == (labels, wiring, PIXELS)
    assert found.network().variant == base + (f"_{bypass}_bypass" if bypass else "")
    for layer in coded(networks.tensors(base, 7, bypass)):
        weight = found.tensors[f"{layer.name}.weight"]
        assert (weight.dtype, weight.shape) == ("float32", layer.shape)
        assert bytes(weight.data) == decoded(layer).astype("<f4").tobytes()
        assert bytes(found.tensors[f"{layer.name}.bias"].data) == layer.bias.tobytes()


def test_weights_are_integers_times_steps() -> None:
    for layer in coded(networks.tensors()):
        steps = np.exp2((layer.rows[:, None] + layer.columns) / 2)
        expected = (layer.integers * steps).reshape(layer.shape)
        np.testing.assert_allclose(decoded(layer), expected, rtol=1e-6)


def test_load_identify_and_convert_take_it(tmp_path: Path) -> None:
    path = save(tmp_path / "a name of any kind", compressed_file())
    photo = networks.photo()
    expected = sqznet.load(path, threads=1).classify(photo)
    identity = sqznet.identify(path)
    assert (identity.format, identity.precision) == ("compressed", "float16, float32")
    assert identity.reasons["precision"] == "integers of few bits in the file, decoded"
    for ending in ("safetensors", "npz", "pth", "onnx"):
        target = tmp_path / f"other.{ending}"
        assert sqznet.convert(path, target).warnings == ()
        assert sqznet.load(target, threads=1).classify(photo) == expected


def test_a_flipped_bit_is_noticed_anywhere() -> None:
    content = compressed_file()
    for position in [*range(40), *range(40, len(content), 11)]:
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        assert attempt(bytes(changed)) is None, position


def test_a_file_cut_short_anywhere_is_refused() -> None:
    content = compressed_file()
    for length in range(0, len(content), 29):
        assert attempt(content[:length]) is None, length
    assert attempt(content + b"\0\0\0\0") is None


def test_a_newer_version_says_so(tmp_path: Path) -> None:
    content = bytearray(compressed_file())
    content[len(compressed.MAGIC) - 1] = 2
    path = save(tmp_path / "new.sqz", bytes(content))
    with pytest.raises(WeightsError, match="version 2, expected 1: a newer sqznet may read it"):
        weights.read(path)


def altered(change: str) -> Any:
    header = header_of(compressed_file())
    name, shape, offsets = header["layers"][0]
    layers = {
        "huge": [name, [1 << 20, 3, 3, 3], offsets],
        "huger": [name, [1 << 40, 3, 3, 3], offsets],
        "negative": [name, [-6, 3, 3, 3], offsets],
        "empty": [name, [], offsets],
        "no number": [name, shape, [0.5, 0, 0, 0]],
        "few offsets": [name, shape, [0, 0]],
        "far offsets": [name, shape, [1 << 20, 0, 0, 0]],
        "far steps": [name, shape, [200, 0, 0, 0]],
        "no name": [3, shape, offsets],
        "no list": 3,
    }
    if change in layers:
        header["layers"][0] = layers[change]
    elif change == "twice":
        header["layers"][1][0] = name
    elif change == "no layers":
        header["layers"] = []
    elif change == "few tables":
        header["tables"] = header["tables"][:4]
    elif change == "long table":
        header["tables"][0] = [0] * _kernels.TOKENS
    elif change == "full table":
        header["tables"][0] = [79, 79, 79]
    elif change == "no table":
        header["tables"][0] = ["a"]
    elif change == "another key":
        header["more"] = 1
    elif change == "no strings":
        header["metadata"] = {"variant": 3}
    elif change == "no object":
        return []
    else:
        assert change == "bomb"
        return b" " * (5 << 20) + compact(header).encode()
    return header


CHANGES = {
    "huge": "cannot hold",
    "huger": "is impossible",
    "negative": "is impossible",
    "empty": "expected a shape",
    "no number": "expected a shape",
    "few offsets": "4 offsets",
    "far offsets": "are impossible",
    "far steps": "a step is out of range",
    "no name": "expected a string",
    "no list": "a layer of the header",
    "twice": "the same name",
    "no layers": '"layers" in the header',
    "few tables": '"tables" in the header',
    "long table": "expected 103 at most",
    "full table": "add up to too much",
    "no table": "a list of bytes",
    "another key": "metadata, layers and tables",
    "no strings": "must map strings",
    "no object": "an object of",
    "bomb": "or too large",
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_impossible_header_is_refused(tmp_path: Path, change: str) -> None:
    content = with_header(compressed_file(), altered(change))
    path = save(tmp_path / "bad.sqz", content)
    with pytest.raises(WeightsError, match=CHANGES[change]) as caught:
        weights.read(path)
    assert str(caught.value).startswith(str(path))
    assert attempt(content) is None


def test_the_states_of_the_stream_are_checked() -> None:
    with pytest.raises(ValueError, match="too short"):
        _kernels.Decoder(b"\0" * 31, [])
    for state in (0, (1 << 31) - 1, 1 << 63):
        with pytest.raises(ValueError, match="damaged"):
            _kernels.Decoder(struct.pack("<4Q", *[state] * 4), [])


# --- The coder itself --------------------------------------------------------------------------


def test_any_integers_are_coded() -> None:
    random = np.random.default_rng(0)
    largest = _kernels.LARGEST_CODED
    values = np.concatenate(
        [
            random.integers(-3, 4, 5000),
            np.rint(random.normal(0, 200, 5000)).astype(int),
            [0, 1, -1, 15, 16, -16, largest, -largest],
        ]
    )
    tokens = [_kernels.token_of(abs(int(value))) for value in values]
    even = [0] * _kernels.TOKENS
    for token in sorted(set(tokens)):
        even[token] = _kernels.TABLE_SUM // len(set(tokens))
    even[0] += _kernels.TABLE_SUM - sum(even)
    for length in (1, 2, 3, 5, len(values)):
        used = values[: len(values) // length * length].tolist()
        encoder = _kernels.Encoder([even])
        encoder.add(length, [0] * len(used), used)
        decoder = _kernels.Decoder(encoder.stream(), [even])
        for row in range(0, len(used), length):
            assert decoder.values(0, length) == used[row : row + length]
        decoder.finish()


def test_a_table_that_does_not_add_up_is_refused() -> None:
    with pytest.raises(ValueError, match="add up"):
        _kernels.Encoder([[1] * _kernels.TOKENS])
    encoder = _kernels.Encoder([[_kernels.TABLE_SUM, *[0] * (_kernels.TOKENS - 1)]])
    with pytest.raises(ValueError, match="does not have the value"):
        encoder.add(1, [0], [1])


def test_tokens_rise_with_magnitudes() -> None:
    tokens = [_kernels.token_of(value) for value in range(_kernels.LARGEST_CODED + 1)]
    assert tokens == sorted(tokens)
    assert set(tokens) == set(range(_kernels.TOKENS))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
    ],
)
def test_the_hash_is_xxh64(data: bytes, expected: int) -> None:
    assert _kernels.hash64(data) == expected
