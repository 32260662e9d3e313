"""The Deep-Compression reader: the real file, files made by hand, and damaged ones."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.graph import Wiring, expected_shapes, network_for

from .caffe_files import float_array
from .weights_damage import attempt, damaged
from .weights_refusal import assert_refused

FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


def sizes() -> list[tuple[int, int]]:
    """(weights, biases) of the 26 convolutions, from the paper's table."""
    found, channels = [(96 * 3 * 49, 96)], 96
    for squeeze, expand in FIRES:
        found += [(squeeze * channels, squeeze), (expand * squeeze, expand)]
        found.append((expand * squeeze * 9, expand))
        channels = 2 * expand
    return [*found, (1000 * channels, 1000)]


def deep_file(kept: Mapping[int, list[tuple[int, int]]], default: int = 1) -> bytes:
    """A file whose layers keep (zeros before, code) pairs; `default` codes in the others.

    The value of code n is n / 4 - 1, of code 0 zero; biases count up from 0.5.
    """
    table = np.arange(256, dtype="<f4") / 4 - 1
    table[0] = 0
    counts, body = [], b""
    for i, (_, biases) in enumerate(sizes()):
        pairs = kept.get(i, [(0, 1 + j % 255) for j in range(default)])
        counts.append(len(pairs))
        body += table.tobytes() + (np.arange(biases, dtype="<f4") + np.float32(0.5)).tobytes()
        body += bytes(code for _, code in pairs)
        gaps = [gap for gap, _ in pairs] + [0] * (len(pairs) % 2)
        body += bytes(low | high << 4 for low, high in zip(gaps[::2], gaps[1::2], strict=True))
    return struct.pack("<26I", *counts) + body


def test_the_real_file_equals_the_decoded_weights(shared: Path) -> None:
    found = weights.read(shared / "weights" / "squeezenet1_0.deep-compression.net")
    expected = weights.read(shared / "weights" / "squeezenet1_0.pth")
    assert found.tensors.keys() == expected.tensors.keys()
    for name, tensor in expected.tensors.items():
        assert found.tensors[name].shape == tensor.shape
        assert bytes(found.tensors[name].data) == bytes(tensor.data), name
    assert (found.format, found.variant) == ("deep-compression", "squeezenet1_0")
    assert found.wiring == Wiring(conv10_padding=1, softmax=True)


def test_the_real_file_gives_the_reference_logits(shared: Path) -> None:
    """The reference has no padding at conv10."""
    path = shared / "weights" / "squeezenet1_0.deep-compression.net"
    with np.load(shared / "reference" / "input_224.npz") as stored:
        x = stored["first8_squash"]
    with np.load(shared / "reference" / "logits_224.npz") as stored:
        expected = stored["squeezenet1_0.squash"][:8]
    found = sqznet.load(path, conv10_padding=0).logits(x)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_gaps_codes_and_biases(tmp_path: Path) -> None:
    path = tmp_path / "small.net"
    path.write_bytes(deep_file({0: [(2, 8), (15, 0), (3, 12)], 25: [(0, 5), (1, 6)]}))
    checkpoint = weights.read(path)
    stem = float_array(checkpoint.tensors["features.0.weight"]).ravel()
    assert {int(i): float(stem[i]) for i in np.flatnonzero(stem)} == {
        2: 1.0,
        22: 2.0,
    }
    last = float_array(checkpoint.tensors["classifier.1.weight"]).ravel()
    assert last[:4].tolist() == [0.25, 0.0, 0.5, 0.0]
    bias = float_array(checkpoint.tensors["features.3.squeeze.bias"])
    assert bias.tolist() == [0.5 + i for i in range(16)]
    network = network_for({name: t.shape for name, t in checkpoint.tensors.items()})
    assert network.variant == "squeezenet1_0"
    assert sum(map(math.prod, expected_shapes(network).values())) == 1_248_424


def test_biases_are_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "small.net"
    path.write_bytes(deep_file({}))
    tensors = weights.read(path).tensors
    assert type(tensors["features.0.bias"].data.obj).__name__ == "mmap"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda data: data[:-1], "bytes, but it has"),
        (lambda data: data + b"\0", "bytes, but it has"),
        (lambda data: data[:2000], "bytes, but it has"),
        (lambda data: struct.pack("<I", 3) + data[4:], "bytes, but it has"),
    ],
)
def test_sizes_that_do_not_add_up(tmp_path: Path, change: object, match: str) -> None:
    assert callable(change)
    assert_refused(tmp_path, change(deep_file({})), match)


def test_a_gap_beyond_the_layer(tmp_path: Path) -> None:
    # fire2's squeeze has 1536 weights: 97 gaps of 15 reach further.
    content = deep_file({1: [(15, 1)] * 97})
    assert_refused(tmp_path, content, r"features\.3\.squeeze reach index 1551, but it has 1536")


def test_counts_that_no_layer_has_are_another_format(tmp_path: Path) -> None:
    content = struct.pack("<I", 96 * 3 * 49 + 1) + deep_file({})[4:]
    assert_refused(tmp_path, content, "begins with")


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    sound = 0
    for content in damaged(deep_file({}, default=40), 1000, head=1500):
        path.write_bytes(content)
        sound += attempt(path) is not None
    assert 0 < sound < 1000
