"""Networks in half precision: near the reference, again in float32 where that overflows, and the
choice of the precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import SqznetError, WeightsError, _kernels, weights
from sqznet.engine import bands, cpu, precision
from sqznet.images.preprocessing import PRESETS
from sqznet.network import reference
from sqznet.network.variants import Wiring
from sqznet.weights import metadata

from ..conftest import EMULATED
from ..support import networks

Array = Any

SQUASHED = PRESETS["squash-bgr"]
X = networks.inputs(1, 2, 65, 74)
HERE = _kernels.best_kernels().f16 is not None
needs_half = pytest.mark.skipif(not HERE, reason="no half-precision arithmetic here")


def error(found: Array, expected: Array) -> float:
    """The largest, relative to the largest of the expected logits."""
    return float((np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)).max())


@needs_half
@pytest.mark.parametrize(
    ("variant", "bypass", "wiring"),
    [
        ("squeezenet1_1", "", Wiring()),
        ("squeezenet1_0", "", Wiring(conv10_padding=1, ceil_mode=False)),
        ("squeezenet1_1", "", Wiring(conv1_padding=1, conv10_relu=False)),
        ("squeezenet1_1", "simple", Wiring()),
        ("squeezenet1_0", "complex", Wiring(conv10_padding=1)),
    ],
    ids=["1.1", "1.0", "padded", "simple bypass", "complex bypass"],
)
def test_logits_are_near_the_reference(
    variant: str, bypass: str, wiring: Wiring, tmp_path: Path
) -> None:
    made = networks.tensors(variant, bypass=bypass)
    name = f"{variant}_{bypass}_bypass" if bypass else variant
    stated = metadata.dump(name, sqznet.load().preprocessing, None, wiring)
    path = networks.save(tmp_path / "a.safetensors", made, stated)
    expected = reference.forward(networks.network(made, name, wiring), made, X)
    logits = [sqznet.load(path, precision="float16", threads=n).logits(X) for n in (1, 2, 3)]
    assert error(logits[0], expected) < 0.02
    assert all(found.tobytes() == logits[0].tobytes() for found in logits)


@needs_half
def test_bands_change_little(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = networks.inputs(2, 1, 150, 90)
    expected = sqznet.load(small, precision="float16").logits(x)
    monkeypatch.setattr(bands, "LARGE", 1)
    monkeypatch.setattr(bands, "BAND", 1)
    model = sqznet.load(small, precision="float16")
    layers = [index for index, _ in model.executor.acquire(1, 150, 90).by_layer()]
    assert len(layers) > len(set(layers))  # it does run in bands
    # Bands begin at other tiles of Winograd's algorithm, which round differently.
    assert error(model.logits(x), expected) < 0.01


@needs_half
@pytest.mark.parametrize("layer", ["features.0", "features.6.squeeze", "features.9", "classifier"])
def test_images_that_overflow_are_computed_in_float32(tmp_path: Path, layer: str) -> None:
    """Weights beyond 65504 are infinite as halves."""
    made = {
        name: array * np.float32(1e7) if layer in name and name.endswith("weight") else array
        for name, array in networks.tensors().items()
    }
    path = networks.save(tmp_path / "large.safetensors", made)
    model, wide = (sqznet.load(path, precision=p, threads=2) for p in ("float16", "float32"))
    found, expected = model.logits(X), wide.logits(X)
    assert found.tobytes() == expected.tobytes()
    assert model.alone().logits(X).tobytes() == expected.tobytes()
    photo = networks.photo()
    assert model.classify(photo)[0].index == wide.classify(photo)[0].index
    maps = [next(m.feature_maps([photo], ["conv1", "fire9"])) for m in (model, wide)]
    assert np.isfinite(maps[0]["fire9"]).all()
    np.testing.assert_allclose(
        maps[0]["fire9"], maps[1]["fire9"], rtol=0.05, atol=maps[1]["fire9"].max() / 50
    )


@needs_half
def test_only_images_that_overflow_are_computed_again(small: Path) -> None:
    """Logits of a preprocessed input may be asked for with any numbers."""
    x = np.concatenate([X[:1] * np.float32(1e4), X[1:]])
    model, wide = (sqznet.load(small, precision=p, threads=2) for p in ("float16", "float32"))
    found = model.logits(x)
    assert found[0].tobytes() == wide.logits(x)[0].tobytes()
    assert found[1].tobytes() == model.logits(X)[1].tobytes()  # from the same workspace


@needs_half
def test_what_is_built_on_a_model_works(small: Path) -> None:
    model, wide = (sqznet.load(small, precision=p) for p in ("float16", "float32"))
    photo = networks.photo()
    np.testing.assert_allclose(model.embed(photo), wide.embed(photo), atol=0.02)
    assert model.heatmap(photo).shape == photo.shape[:2]
    (maps,) = model.feature_maps([photo], ["conv1"])
    assert maps["conv1"].dtype == np.float32
    assert model.fingerprint != wide.fingerprint
    assert "float16" in repr(model)


@needs_half
def test_the_bundled_network(shared: Path) -> None:
    """The promise of docs/arm.md, on the first photos."""
    photos = 3 if EMULATED else 8
    with np.load(shared / "reference" / "input_224.npz") as stored:
        x = stored["first8_squash"][:photos]
    with np.load(shared / "reference" / "logits_224.npz") as stored:
        expected = stored["squeezenet1_1.squash"][:photos]
    found = sqznet.load(precision="float16").logits(x)
    assert error(found, expected) < 0.01
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_the_precision_is_that_asked_for(monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    monkeypatch.setenv("SQZNET_PRECISION", "float16")
    if HERE:
        assert sqznet.load(small).precision == "float16"
        assert sqznet.load(small, precision="auto").precision == "float16"
    with pytest.raises(SqznetError, match=r"'float16' \(the environment's SQZNET_PRECISION\), but"):
        sqznet.load(small, isa="scalar")
    assert sqznet.load(small, isa="scalar", precision="auto").precision == "float32"
    with pytest.raises(SqznetError, match="the kernels of scalar are without half precision"):
        sqznet.load(small, isa="scalar", precision="float16")


@needs_half
def test_a_detector_has_no_half_precision() -> None:
    with pytest.raises(WeightsError, match=r"'float16' .* a detector computes in float32 or int8"):
        precision.chosen("float16", weights.read(weights.DETECTOR_PATH), SQUASHED, cpu.kernels())
