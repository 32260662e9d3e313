"""`sqznet.convert` writes detectors: to load again, or for other engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.network import reference

from ..support import detectors, networks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return detectors.save(tmp_path / "detector.safetensors")


def test_safetensors(path: Path, tmp_path: Path) -> None:
    made = sqznet.convert(path, tmp_path / "copy.safetensors")
    assert (made.format, made.warnings) == ("safetensors", ())
    before, after = (sqznet.load_detector(file, threads=1) for file in (path, made.path))
    assert after.fingerprint == before.fingerprint
    assert after.detect(networks.photo(), 0.2) == before.detect(networks.photo(), 0.2)


@pytest.mark.parametrize("name", ["out.npz", "out.pth"])
def test_formats_that_cannot_hold_one(path: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(sqznet.SqznetError, match=r"only \.safetensors and \.onnx can hold"):
        sqznet.convert(path, tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("bundled", [False, True])
def test_onnx(path: Path, tmp_path: Path, bundled: bool) -> None:
    """float16 tensors go through a Cast, once for all levels that share them."""
    ort = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    source = weights.DETECTOR_PATH if bundled else path
    made = sqznet.convert(source, tmp_path / "out.onnx")
    session = ort.InferenceSession(made.path, providers=["CPUExecutionProvider"])
    detector = sqznet.load_detector(source, threads=1)
    x = detector.preprocess(networks.photo())
    outputs = [output.name for output in session.get_outputs()]
    assert outputs == ["output:level1", "output:level2", "output:level3"]
    if bundled:
        checkpoint = weights.read(source)
        made_of = {name: tensor.array() for name, tensor in checkpoint.tensors.items()}
        network = checkpoint.network()
    else:
        made_of, network = detectors.tensors(), detectors.network(detectors.tensors())
    expected = reference.layer_outputs(network, made_of, np.concatenate([x, x / 2]))
    for level, found in enumerate(session.run(None, {"input": np.concatenate([x, x / 2])}), 1):
        wanted = expected[f"level{level}"]
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_an_exported_detector_is_not_read_back(path: Path, tmp_path: Path) -> None:
    made = sqznet.convert(path, tmp_path / "out.onnx")
    for load in (sqznet.load, sqznet.load_detector):
        with pytest.raises(sqznet.WeightsError, match=r"out\.onnx: is a detector that was exp"):
            load(made.path)
