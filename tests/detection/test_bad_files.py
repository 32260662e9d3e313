"""Whatever a detector's file says: one clear error, before anything is computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import WeightsError
from sqznet.engine.program import Workspace
from sqznet.network import reference

from ..support import detectors, networks

DESIGN = json.loads(detectors.metadata()["detector"])
LEVEL = DESIGN["levels"][0]


def test_each_kind_of_file_names_its_command(tmp_path: Path, small: Path) -> None:
    path = detectors.save(tmp_path / "detector.safetensors")
    with pytest.raises(
        WeightsError, match=r"small\.safetensors: is not a detector.* sqznet\.load "
    ):
        sqznet.load_detector(small)
    for call in (sqznet.load, lambda path: sqznet.learn({}, model=sqznet.load(path))):
        with pytest.raises(
            WeightsError, match=r"detector, which sqznet\.load_detector and 'sqznet"
        ):
            call(path)
    with pytest.raises(sqznet.SqznetError, match="is a detector, which only"):
        sqznet.convert(path, tmp_path / "out.npz")
    with pytest.raises(sqznet.SqznetError, match="model is a Detector, expected a Model"):
        sqznet.learn({}, model=sqznet.load_detector(path))  # type: ignore[arg-type]
    recognizer = tmp_path / "recognizer.sqz"
    model = sqznet.load(small)
    sqznet.learn({"photo": [networks.photo()]}, model=model, report=lambda _: None).save(recognizer)
    with pytest.raises(WeightsError, match=r"is a recognizer, which sqznet\.load opens"):
        sqznet.load_detector(recognizer)
    for missing in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(WeightsError):
            sqznet.load_detector(missing)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"levels": []}, "levels: expected a list of 1 to 8 levels"),
        ({"levels": [LEVEL] * 9}, "levels: expected a list of 1 to 8"),
        ({"levels": "features.7"}, "levels: expected a list"),
        ({"levels": [3]}, "a level is 3, expected an object"),
        ({"levels": [{**LEVEL, "tap": 7}]}, "tap is 7, expected the name of a layer"),
        ({"levels": [{**LEVEL, "more": 7}]}, "a level: unknown field 'more'"),
        ({"levels": [{"tap": "features.7"}]}, "a level: layers, lateral, stride, offset missing"),
        ({"levels": [{**LEVEL, "stride": 8.0}]}, "stride is 8.0, expected a whole number"),
        ({"levels": [{**LEVEL, "stride": True}]}, "stride is True"),
        ({"levels": [{**LEVEL, "stride": 10**9}]}, "stride is 1000000000"),
        ({"levels": [{**LEVEL, "offset": -1}]}, "offset is -1, expected a number from 0"),
        ({"levels": [{**LEVEL, "lateral": "features.7"}]}, "expected head. and then"),
        ({"levels": [{**LEVEL, "layers": ["maxpool"] * 17}]}, "layers: expected a list of 16"),
        ({"levels": [{**LEVEL, "layers": ["maxpool"] * 9}]}, "stride 8 by its description, but"),
        ({"levels": [LEVEL, LEVEL]}, "the layer 'head.near' has two places"),
        ({"shared": ["head.cls"]}, "the layer 'head.cls' has two places"),
        ({"shared": "head.both"}, "shared: expected a list"),
        ({"classes": "head.cls:level1"}, "expected head. and then letters, digits"),
        ({"classes": None}, "classes is None, expected the name of a layer"),
        ({"classes": "features.0"}, "classes is 'features.0', expected head. and"),
        ({"limit": "4"}, "limit is '4', expected a number from 0 to 10"),
        ({"limit": 1e9}, "limit is 1000000000.0"),
        ({"nms": 3}, "nms is 3, expected an object"),
        ({"nms": {"iou": 2}}, "iou is 2, expected a number from 0 to 1"),
        ({"nms": {"candidates": 10**9}}, "candidates is 1000000000, expected a whole number"),
        ({"nms": {"most": 0}}, "most is 0, expected a whole number from 1"),
        ({"nms": {"per_class": True}}, "nms: unknown field 'per_class'"),
        ({"\x1b[31m": 1}, r"unknown field '\x1b[31m'"),
    ],
)
def test_designs(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = detectors.save(tmp_path / "bad.safetensors", **changes)
    for call in (sqznet.load_detector, sqznet.load, sqznet.identify):
        with pytest.raises(WeightsError) as caught:
            call(path)
        if call is sqznet.load and "is a detector" in str(caught.value):
            continue  # it does not look at how the description fits the tensors
        assert said in str(caught.value)
        assert "bad.safetensors" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "the detector: levels, shared, classes, sides missing"),
        ('{"levels": NaN}', "NaN is not allowed"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": 1, "a": 2}', "occurs twice"),
    ],
)
def test_texts(tmp_path: Path, text: str, said: str) -> None:
    stated = {**detectors.metadata(), "detector": text}
    path = networks.save(tmp_path / "bad.safetensors", detectors.tensors(), stated)
    with pytest.raises(WeightsError, match=said):
        sqznet.load_detector(path)


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def change(made: dict[str, Any]) -> None:
        del made[name]

    return change


def with_value(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(made: dict[str, Any]) -> None:
        made[name] = np.asarray(value, np.float32)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("head.near.weight"), "head.near.weight is missing"),
        (without("head.box.bias"), "head.box.bias is missing, expected (4,)"),
        (without("features.7.squeeze.weight"), "features.7.squeeze.weight is missing"),
        (with_value("head.box.weight", np.zeros((5, 17, 1, 1))), "head.box has 5 outputs"),
        (with_value("head.cls.weight", np.zeros((3, 17, 3, 3))), "is (3, 17, 3, 3), expected"),
        (with_value("head.cls.weight", np.zeros((0, 17, 1, 1))), "is (0, 17, 1, 1), expected"),
        (with_value("head.cls.weight", np.zeros((9, 17, 1, 1))), "head.cls.bias is (3,), expected"),
        (with_value("head.more.weight", np.zeros((3, 17, 1, 1))), "head.more.weight does not"),
        (
            with_value("classifier.1.weight", np.zeros((3, 19, 1, 1))),
            "classifier.1.weight does not",
        ),
        (with_value("head.cls.bias", [np.nan] * 3), "head.cls.bias holds values that are not"),
        (with_value("head.box.bias", [np.inf] * 4), "head.box.bias holds values that are not"),
    ],
)
def test_tensors(tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str) -> None:
    made = detectors.tensors()
    change(made)
    path = detectors.save(tmp_path / "bad.safetensors", made)
    with pytest.raises(WeightsError) as caught:
        sqznet.load_detector(path)
    assert said in str(caught.value)


def test_weights_that_overflow(tmp_path: Path) -> None:
    """An error, as a classifier gives, never a photo on which nothing is."""
    for name in ("features.0", "head.both.expand3x3", "head.cls", "head.box"):
        made = detectors.tensors()
        made[f"{name}.weight"] = made[f"{name}.weight"] * np.float32(1e36)
        detector = sqznet.load_detector(detectors.save(tmp_path / "huge.safetensors", made))
        for call in (detector.detect, lambda photo, d=detector: d.detect_each([photo])):
            with pytest.raises(WeightsError, match=r"huge\.safetensors: .* the range of float32"):
                call(networks.photo())


def test_large_values_that_do_not_overflow(tmp_path: Path) -> None:
    """No bound proves them, so that each run is looked at, and its result is still exact."""
    made = {
        name: array * np.float32(12 if name.endswith("weight") else 1)
        for name, array in detectors.tensors().items()
    }
    detector = sqznet.load_detector(detectors.save(tmp_path / "large.safetensors", made), threads=1)
    workspace = detector.executor.acquire(1, *detector.size, largest_input=detector.largest_input)
    assert workspace.check is not None
    photo = networks.photo()

    def outputs(workspace: Workspace) -> dict[str, Any]:
        return {name: np.array(y) for name, y in workspace.outputs.items()}

    found = detector.passed([detector.decode(photo)], outputs)
    expected = reference.layer_outputs(detectors.network(made), made, detector.preprocess(photo))
    for name in ("level1", "level2", "level3"):
        wanted = expected[name].transpose(0, 2, 3, 1)
        assert np.abs(wanted).max() > 1e12
        assert np.abs(found[name] - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_labels_must_fit(tmp_path: Path) -> None:
    stated = {**detectors.metadata(), "labels": json.dumps(["ant", "bee"])}
    path = networks.save(tmp_path / "bad.safetensors", detectors.tensors(), stated)
    with pytest.raises(WeightsError, match="has 3 classes, but there are 2 labels"):
        sqznet.load_detector(path)
    del stated["labels"]
    path = networks.save(path, detectors.tensors(), stated)
    assert sqznet.load_detector(path).labels == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fit": "crop"}, "crops photos, but a detector needs all of them"),
        ({"resize": [160, 160]}, "crops photos"),
        ({"size": [100, 100]}, "size is 100 x 100 pixels, expected sides from 128"),
    ],
)
def test_preprocessing_must_fit(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    stated = detectors.metadata()
    stated["preprocessing"] = json.dumps({**json.loads(stated["preprocessing"]), **changes})
    path = networks.save(tmp_path / "bad.safetensors", detectors.tensors(), stated)
    with pytest.raises(sqznet.SqznetError, match=said):
        sqznet.load_detector(path)


def test_it_is_identified(tmp_path: Path) -> None:
    found = sqznet.identify(detectors.save(tmp_path / "detector.safetensors"))
    assert (found.strides, found.classes, found.warnings) == ((8, 16, 32), 3, ())
    assert found.to_dict()["strides"] == [8, 16, 32]
