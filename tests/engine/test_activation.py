"""Heads that softmax does not fit: one output, several labels at a time, no ReLU after conv10."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import answers, weights
from sqznet.errors import SqznetError, WeightsError
from sqznet.network import reference
from sqznet.network.variants import Wiring

from ..support import networks

Array = Any

X = networks.inputs(4, 2, 65, 67)
PHOTO = networks.photo()


def saved(folder: Path, made: dict[str, Array], name: str = "w.safetensors", **wiring: Any) -> Path:
    stated = {"wiring": json.dumps(wiring)} if wiring else None
    return networks.save(folder / name, made, stated)


def made_linear(classes: int = 7) -> dict[str, Array]:
    """Weights whose logits have both signs without a ReLU."""
    made = networks.tensors(classes=classes)
    made["classifier.1.bias"] = -made["classifier.1.bias"]
    return made


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_without_a_relu(tmp_path: Path, padding: int, threads: int) -> None:
    made = made_linear()
    wiring = Wiring(conv10_relu=False, conv10_padding=padding)
    expected = reference.forward(networks.network(made, wiring=wiring), made, X)
    assert expected.min() < 0
    path = saved(tmp_path, made)
    model = sqznet.load(path, threads=threads, conv10_relu=False, conv10_padding=padding)
    np.testing.assert_allclose(model.logits(X), expected, rtol=1e-4, atol=1e-3)
    stated = sqznet.load(saved(tmp_path, made, conv10_relu=False, conv10_padding=padding))
    np.testing.assert_allclose(stated.logits(X), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("value", [-1.5, 0.0, 40.0])
def test_one_output_is_a_value(tmp_path: Path, relu: bool, value: float) -> None:
    made = networks.tensors(classes=1)
    made["classifier.1.weight"][:] = 0
    made["classifier.1.bias"][:] = value
    model = sqznet.load(saved(tmp_path, made), conv10_relu=relu)
    assert model.activation == "none"
    (found,) = model.classify(PHOTO)
    expected = max(0.0, value) if relu else value
    assert found == sqznet.Prediction("class 0", expected, 0)
    assert found[1] == model.heatmap(PHOTO).score
    text = model.classify(PHOTO)._repr_html_()  # type: ignore[attr-defined]
    assert "%" not in text
    assert f">{expected:g}<" in text


def test_one_output_as_a_probability(tmp_path: Path) -> None:
    path = saved(tmp_path, networks.tensors(classes=1))
    model = sqznet.load(path, activation="sigmoid")
    logit = sqznet.load(path).classify(PHOTO)[0].score
    assert logit > 0
    assert model.classify(PHOTO)[0].score == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-7)
    with pytest.raises(WeightsError, match=r"one output, whose softmax is always 1; expected the"):
        sqznet.load(path, activation="softmax")


def test_several_labels_may_be_true(tmp_path: Path) -> None:
    path = saved(tmp_path, made_linear(), conv10_relu=False)
    values = sqznet.load(path, activation="none")
    model = sqznet.load(path, activation="sigmoid")
    logits = values.classify(PHOTO, top=7)
    assert [p.score for p in logits] == sorted((p.score for p in logits), reverse=True)
    found = model.classify(PHOTO, top=7)
    assert [p.index for p in found] == [p.index for p in logits]
    expected = [1 / (1 + math.exp(-p.score)) for p in logits]
    assert [p.score for p in found] == pytest.approx(expected, abs=1e-7)
    assert model.classify_each([PHOTO], 7) == [found]
    assert model.classify([PHOTO] * 2, top=7) == [found] * 2
    evidence = model.heatmap(PHOTO, found[2].label)
    assert evidence.score == pytest.approx(found[2].score, abs=1e-6)


def test_softmax_is_the_default_of_several_classes(small: Path) -> None:
    model = sqznet.load(small)
    assert model.activation == "softmax"
    assert sum(p.score for p in model.classify(PHOTO, top=7)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("option", "match"), [("tanh", "'tanh', expected one of softmax"), (3, "3")]
)
def test_unknown_activations(small: Path, option: Any, match: str) -> None:
    with pytest.raises(WeightsError, match=f"activation is {match}"):
        sqznet.load(small, activation=option)
    with pytest.raises(WeightsError, match="conv10_relu is 'no', expected True or False"):
        sqznet.load(small, conv10_relu="no")  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".pth", ".onnx"])
def test_files_keep_what_they_say_of_the_head(tmp_path: Path, ending: str) -> None:
    relu = ending == ".onnx"  # the graph says it
    source = saved(tmp_path, made_linear(), conv10_relu=relu, activation="sigmoid")
    target = tmp_path / f"converted{ending}"
    sqznet.convert(source, target)
    found = weights.read(target)
    assert found.wiring.conv10_relu == relu
    assert found.wiring.activation == "sigmoid"
    identity = sqznet.identify(target)
    assert (identity.conv10_relu, identity.activation) == (relu, "sigmoid")
    np.testing.assert_allclose(
        sqznet.load(target).logits(X), sqznet.load(source).logits(X), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ("wiring", "match"),
    [
        ({"activation": "tanh"}, "activation is 'tanh', expected one of softmax, sigmoid, none"),
        ({"activation": 3}, "activation is 3"),
        ({"conv10_relu": "no"}, "conv10_relu is 'no', expected true or false"),
    ],
)
def test_what_files_cannot_say(tmp_path: Path, wiring: Any, match: str) -> None:
    with pytest.raises(WeightsError, match=match):
        weights.read(saved(tmp_path, networks.tensors(), **wiring))


def test_identify_says_why(tmp_path: Path) -> None:
    found = sqznet.identify(saved(tmp_path, networks.tensors(classes=1)))
    assert (found.activation, found.reasons["activation"]) == (
        "none",
        "the default for a single output",
    )


def test_a_recognizer_learns_from_any_head(tmp_path: Path) -> None:
    """What follows conv10 does not change its features, so it may differ from the training's."""
    path = saved(tmp_path, made_linear())
    model = sqznet.load(path, conv10_relu=False, activation="sigmoid")
    examples = {"a": [networks.photo(1)], "b": [networks.photo(2)]}
    recognizer = sqznet.learn(examples, model=model)
    assert recognizer.activation == "softmax"
    recognizer.save(tmp_path / "r.sqz")
    loaded = sqznet.load(tmp_path / "r.sqz", backbone=path)
    assert loaded.classify(networks.photo(1))[0].label == "a"
    with pytest.raises(SqznetError):
        sqznet.load(tmp_path / "r.sqz", backbone=path, activation="none")


@pytest.mark.parametrize(
    ("logit", "expected"), [(0.0, 0.5), (800.0, 1.0), (-800.0, 0.0), (1.0, 0.7310585786300049)]
)
def test_sigmoid(logit: float, expected: float) -> None:
    assert answers.sigmoid(logit) == pytest.approx(expected, abs=1e-15)
