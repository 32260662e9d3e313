"""The Deep-Compression reader: the real file, handmade files, and damaged ones."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.network.variants import Wiring, network_for

from ..support.caffe_files import float_array
from ..support.checkpoints import assert_same_tensors
from ..support.deep_compression_files import deep_file
from ..support.weights_refusal import assert_refused


def test_the_real_file_equals_the_decoded_weights(shared: Path) -> None:
    found = weights.read(shared / "weights" / "squeezenet1_0.deep-compression.net")
    expected = weights.read(shared / "weights" / "squeezenet1_0.pth")
    assert_same_tensors(found, expected)
    assert (found.format, found.variant) == ("deep-compression", "squeezenet1_0")
    assert found.wiring == Wiring(conv10_padding=1, softmax=True)


def test_the_real_file_gives_the_reference_logits(shared: Path) -> None:
    """The reference has no padding at conv10."""
    path = shared / "weights" / "squeezenet1_0.deep-compression.net"
    with np.load(shared / "reference" / "input_224.npz") as stored:
        x = stored["first8_squash"][:1]
    with np.load(shared / "reference" / "logits_224.npz") as stored:
        expected = stored["squeezenet1_0.squash"][:1]
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
    assert sum(map(math.prod, network.tensors().values())) == 1_248_424


def test_biases_are_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "small.net"
    path.write_bytes(deep_file({}))
    tensors = weights.read(path).tensors
    assert isinstance(tensors["features.0.bias"].data.obj, bytes)  # the file's


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda data: data[:-1], "bytes, but it has"),
        (lambda data: data + b"\0", "bytes, but it has"),
        (lambda data: data[:2000], "bytes, but it has"),
        (lambda data: struct.pack("<I", 3) + data[4:], "bytes, but it has"),
    ],
)
def test_sizes_that_do_not_match(tmp_path: Path, change: object, match: str) -> None:
    assert callable(change)
    assert_refused(tmp_path, change(deep_file({})), match)


def test_a_gap_beyond_the_layer(tmp_path: Path) -> None:
    # fire2's squeeze has 1536 weights: 97 gaps of 15 reach further.
    content = deep_file({1: [(15, 1)] * 97})
    assert_refused(tmp_path, content, r"features\.3\.squeeze reach index 1551, but it has 1536")


def test_impossible_counts_mean_another_format(tmp_path: Path) -> None:
    content = struct.pack("<I", 96 * 3 * 49 + 1) + deep_file({})[4:]
    assert_refused(tmp_path, content, "begins with")
