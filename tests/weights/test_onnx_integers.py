"""Networks of 8-bit integers, converted to ONNX: QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.network.variants import Wiring
from sqznet.weights.conversion import convert

from ..support import integer_networks, networks, quantizable

Array = Any


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    path = tmp_path / "int8.safetensors"
    path.write_bytes(integer_networks.small_file())
    return path


def run(path: Path, x: Array, optimized: bool = True) -> Array:
    ort = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": x[i : i + 1]})[0] for i in range(len(x))])


def test_the_same_logits_after_conversion(tmp_path: Path, quantized: Path) -> None:
    target = tmp_path / "int8.onnx"
    assert convert(quantized, target).warnings == ()
    checkpoint = weights.read(target)
    assert checkpoint.reasons["precision"] == "run on integers"
    assert checkpoint.labels == weights.read(quantized).labels
    own = sqznet.load(quantized, precision="int8", threads=1)
    again = sqznet.load(target, threads=1)
    assert again.precision == "int8"
    photos = [networks.photo(seed, 90, 120) for seed in range(4)]
    assert again.classify(photos) == own.classify(photos)
    # Its graph turns the input back into gray levels, and so is its preprocessing.
    levels = integer_networks.photos(3, 2, 64, 64)
    x = np.moveaxis(levels, -1, 1).astype(np.float32)
    mean, std = (np.reshape(v, (1, 3, 1, 1)) for v in (integer_networks.MEAN, integer_networks.STD))
    normalized = ((x - mean) / std).astype(np.float32)
    assert again.logits(x).tobytes() == own.logits(normalized).tobytes()
    imitated = sqznet.load(target, threads=1, precision="float32").logits(x)
    assert np.abs(imitated - again.logits(x)).max() < 0.02 * np.abs(imitated).max()


def test_conversion_keeps_the_integers_themselves(tmp_path: Path, quantized: Path) -> None:
    target = tmp_path / "int8.onnx"
    convert(quantized, target)
    first, second = (weights.read(path).tensors for path in (quantized, target))
    for name, tensor in first.items():
        if name.endswith("weight"):
            assert second[name].dtype == "int8"
            assert bytes(second[name].data) == bytes(tensor.data), name


@pytest.mark.parametrize("optimized", [False, True])
def test_onnxruntime_gives_the_same_logits(
    tmp_path: Path, quantized: Path, optimized: bool
) -> None:
    target = tmp_path / "int8.onnx"
    convert(quantized, target)
    own = sqznet.load(quantized, precision="int8", threads=1)
    if optimized and own.isa not in ("avx512_vnni", "avx_vnni"):
        pytest.skip("onnxruntime's sums of bytes saturate on this processor")
    x = np.concatenate([own.preprocess(networks.photo(seed, 90, 120)) for seed in range(4)])
    expected = own.logits(x)
    assert np.abs(run(target, x, optimized) - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("bypass", "wiring"),
    [("simple", Wiring()), ("complex", Wiring()), ("", Wiring(conv1_padding=1))],
)
def test_networks_that_onnx_gets_as_floats(tmp_path: Path, bypass: str, wiring: Wiring) -> None:
    source, target = tmp_path / "int8.safetensors", tmp_path / "int8.onnx"
    path = quantizable.small_file(tmp_path / "a.safetensors", bypass=bypass, wiring=wiring)
    model = sqznet.load(path, threads=1)
    model.quantize(quantizable.some_photos()).save(source)
    convert(source, target)
    checkpoint = weights.read(target)
    assert {tensor.dtype for tensor in checkpoint.tensors.values()} == {"float32"}
    found, expected = (sqznet.load(path, precision="int8", threads=1) for path in (target, source))
    x = model.preprocess(networks.photo(1))
    assert found.logits(x).tobytes() == expected.logits(x).tobytes()


@pytest.mark.slow
def test_onnxruntime_agrees_on_photos(tmp_path: Path, shared: Path) -> None:
    pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    photos = sorted((shared / "images").glob("*.JPEG"))[::4]
    source, target = tmp_path / "int8.safetensors", tmp_path / "int8.onnx"
    sqznet.load(threads=1).quantize(photos[:24]).save(source)
    convert(source, target)
    own = sqznet.load(source, precision="int8", threads=1)
    x = np.concatenate([own.preprocess(photo) for photo in photos])
    same = run(target, x, optimized=False).argmax(axis=1) == own.logits(x).argmax(axis=1)
    assert same.mean() >= 0.96
