"""Files that round their activations: run on integers, or imitated in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import SqznetError, WeightsError, weights
from sqznet.images.preprocessing import PRESETS
from sqznet.weights.conversion import convert

from ..engine.test_rounded_layers import expected
from ..support import networks
from ..support.int8_onnx_files import Int8Exporter
from ..support.onnx_files import Rounding

Array = Any
X = networks.inputs(5, 2, 64, 64)


def written(path: Path, base: str = "squeezenet1_1", **options: Any) -> Path:
    made = networks.tensors(base, classes=11, seed=4, bypass=options.get("bypass", ""))
    path.write_bytes(Int8Exporter(made, base, x=X, **options).bytes())
    return path


def steps_apart(path: Path, x: Array, **options: Any) -> Array:
    """How far the integers' logits are from the imitation's, in steps if these are rounded."""
    own, imitated = (
        sqznet.load(path, threads=2, precision=precision, **options)
        for precision in (None, "float32")
    )
    assert (own.precision, imitated.precision) == ("int8", "float32")
    grids = weights.read(path).activations.get("average", ())
    step = grids[-1].scale if grids else np.abs(imitated.logits(x)).max() / 255
    return np.abs(own.logits(x) - imitated.logits(x)) / step


KINDS: dict[str, dict[str, Any]] = {
    "uint8": {},
    "int8": {"kind": "int8"},
    "symmetric": {"kind": "int8", "is_symmetric": True},
    "operators": {"operators": True},
    "int8 operators": {"operators": True, "kind": "int8", "by_channel": False},
    "one weight scale": {"by_channel": False},
    "halves rounded once": {"own_halves": False},
    "sums averaged": {"rounds_last": False},
    "bypass": {"bypass": "simple"},
    "bypass of a map rounded once": {"bypass": "simple", "own_halves": False},
}


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("base", ["squeezenet1_1", "squeezenet1_0"])
def test_integers_are_what_the_file_says(
    tmp_path: Path, base: str, options: dict[str, Any]
) -> None:
    """Against the rounding in float64, and in float32: whose error may carry a value over the half
    between two numbers, which moves all that come after it."""
    path = written(tmp_path / "net.onnx", base, **options)
    checkpoint = weights.read(path)
    assert checkpoint.warnings == ()
    tensors = {
        name: np.frombuffer(tensor.floats().data, "<f4").reshape(tensor.shape)
        for name, tensor in checkpoint.tensors.items()
    }
    network = networks.network(tensors, checkpoint.variant)
    x = np.concatenate([X, networks.inputs(6, 6, 64, 64)])
    found = sqznet.load(path, threads=2).logits(x)
    exact = expected(network, tensors, checkpoint.activations, x)
    assert len(np.unique(found)) > 10
    step = checkpoint.activations["average"][-1].scale
    apart = np.abs(found - exact).max(axis=1) / step
    assert apart.max() < 1.01
    assert (apart < 1e-4).mean() >= (0.5 if "bypass" in options else 7 / 8)
    assert (steps_apart(path, x).max(axis=1) < 1.01).mean() >= 7 / 8


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_maps_are_the_imitation_s_too(tmp_path: Path, options: dict[str, Any]) -> None:
    path = written(tmp_path / "net.onnx", **options)
    photo = networks.photo(3, 90, 120)
    names = ["conv1", *(f"fire{i}" for i in range(2, 10))]
    found, expected = (
        next(sqznet.load(path, threads=1, precision=precision).feature_maps([photo], names))
        for precision in (None, "float32")
    )
    for name in names:
        differ = np.abs(found[name] - expected[name]) > 1e-4 * expected[name].max()
        assert differ.mean() < 0.01, name


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_onnxruntime_gives_the_same_logits(tmp_path: Path, options: dict[str, Any]) -> None:
    ort = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    path = written(tmp_path / "net.onnx", **options)
    settings = ort.SessionOptions()
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    found = sqznet.load(path, threads=1).logits(X[:1])
    expected = session.run(None, {"data": X[:1]})[0]
    grids = weights.read(path).activations.get("average", ())
    step = grids[-1].scale if grids else np.abs(expected).max() / 255
    assert np.abs(found - expected).max() < 1.01 * step


def test_rounding_to_half_the_bytes_and_twice(tmp_path: Path) -> None:
    """A zero point in the middle leaves 127 steps above 0; all maps have one coarse grid."""
    path = tmp_path / "net.onnx"
    path.write_bytes(Rounding(networks.tensors(), weights=True).bytes())
    assert weights.read(path).reasons["precision"] == "run on integers"
    apart = steps_apart(path, networks.inputs(2, 4, 64, 64))
    assert apart.max() < 1.01
    assert (apart > 0.01).mean() < 0.1


@pytest.mark.parametrize("preset", ["torchvision", "squash-bgr"])
def test_any_preprocessing_is_rounded_to_the_grid_of_the_input(tmp_path: Path, preset: str) -> None:
    path = written(tmp_path / "net.onnx")
    settings = PRESETS[preset]._replace(size=(64, 64))
    found, expected = (
        sqznet.load(path, threads=1, precision=precision, preprocessing=settings)
        for precision in (None, "float32")
    )
    for seed in range(4):
        photo = networks.photo(seed, 90, 120)
        (a,), (b,) = (list(model.feature_maps([photo], ["conv1"])) for model in (found, expected))
        assert (np.abs(a["conv1"] - b["conv1"]) > 1e-4 * b["conv1"].max()).mean() < 0.001
        assert a["logits"].tobytes() == found.logits(found.preprocess(photo))[0].tobytes()
    assert (
        found.classify(photo)
        == sqznet.load(path, threads=3, preprocessing=settings).classify([photo] * 3)[1]
    )


OBSTACLES = {
    "16 bits": ({"zero_point": np.uint16(9)}, "it rounds input to more than 8 bits"),
    "a bypass": ({"bypass": "complex"}, "its bypasses have convolutions"),
    "weights as floats": ({}, "the weights of features.0 are not 8-bit integers"),
}


@pytest.mark.parametrize(("options", "why"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_integers_cannot_express_is_imitated(
    tmp_path: Path, options: dict[str, Any], why: str
) -> None:
    path = tmp_path / "net.onnx"
    made = networks.tensors(bypass=options.get("bypass", ""))
    path.write_bytes(Rounding(made, weights="bypass" in options, **options).bytes())
    checkpoint = weights.read(path)
    assert checkpoint.integers is None
    assert why in checkpoint.reasons["integers"]
    (warning,) = checkpoint.warnings
    assert why in warning
    assert sqznet.load(path).precision == "float32"
    assert sqznet.load(path, precision="auto").precision == "float32"
    with pytest.raises(WeightsError, match=f"precision is 'int8' .*{why}"):
        sqznet.load(path, precision="int8")


def test_the_precision_of_a_file_s_own_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "net.onnx")
    for asked in (None, "int8", "auto"):
        assert sqznet.load(path, precision=asked).precision == "int8"
    assert sqznet.load(path, precision="float32").precision == "float32"
    with pytest.raises(SqznetError, match="expected one of"):
        sqznet.load(path, precision="int4")
    monkeypatch.setenv("SQZNET_PRECISION", "float32")
    assert sqznet.load(path).precision == "float32"


def test_without_the_relu_that_the_file_rounds_after_it_is_imitated(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx")
    assert sqznet.load(path, conv10_relu=False).precision == "float32"
    assert sqznet.load(path, conv10_padding=1).precision == "int8"


@pytest.mark.parametrize("padding", [1, 2])
def test_the_pixels_around_the_last_map_count(tmp_path: Path, padding: int) -> None:
    path = written(tmp_path / "net.onnx")
    apart = steps_apart(path, X, conv10_padding=padding, conv1_padding=1)
    assert apart.max() < 1.01


def test_converted_files_have_the_same_integers(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", kind="int8", is_symmetric=True)
    for ending in (".safetensors", ".npz", ".pth", ".onnx"):
        target = tmp_path / f"converted{ending}"
        convert(path, target)
        converted = sqznet.load(target, precision="int8", threads=1)
        assert converted.logits(X).tobytes() == sqznet.load(path).logits(X).tobytes()
        assert sqznet.load(target).precision == "float32"
