"""`sqznet.train_detector` and `sqznet train-detector`, from files of boxes to a detector."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

import sqznet
from sqznet import SqznetError, WeightsError
from sqznet.cli.main import main

from ..support import boxed_photos

QUICK: dict[str, Any] = {"size": 128, "epochs": 1, "device": "cpu"}


def train(*places: Path, output: Path, **options: Any) -> Any:
    said: list[Any] = []
    done = sqznet.train_detector(places, output, **{**QUICK, "report": said.append, **options})
    return done, said


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return boxed_photos.yolo(tmp_path_factory.mktemp("photos") / "yolo", 8)


def test_the_file_is_a_detector_that_says_how_it_was_made(photos: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    output = tmp_path / "made.safetensors"
    done, said = train(
        photos, output=output, progress=lambda progress: stages.append(progress.stage)
    )
    assert said == []
    assert list(dict.fromkeys(stages)) == ["photos", "epochs", "result"]
    assert (done.labels, done.photos, done.epochs) == (boxed_photos.LABELS, 6, 1)
    assert os.listdir(tmp_path) == ["made.safetensors"]
    detector = sqznet.load_detector(output)
    assert detector.labels == boxed_photos.LABELS
    assert detector.size == (128, 128)
    photo = photos / "images" / "0.png"
    for found in detector.detect(photo, 0.0):
        assert found.label in boxed_photos.LABELS
    assert sqznet.load_detector(output, precision="int8").precision == "int8"
    about = json.loads(detector.checkpoint.metadata["training"])
    assert about["command"].startswith(f"sqznet train-detector {photos} --val 0.2 --size 128 -o ")
    assert about["from"]["file"] == "squeezenet1_1_detector.sqz"
    assert (about["photos"], about["validated"]) == (6, 2)
    again = sqznet.evaluate_detector(photos, detector=output)
    assert again.photos == 8


def test_the_same_seed_gives_the_same_file(photos: Path, tmp_path: Path) -> None:
    made = []
    for name in "ab":
        output = tmp_path / f"{name}.safetensors"
        done, _ = train(photos, output=output, seed=3, val=photos)
        assert done.best_epoch == 1
        made.append(sqznet.load_detector(output).fingerprint)
    assert made[0] == made[1]


def test_a_run_that_was_stopped_goes_on_to_the_same_result(photos: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    done, _ = train(photos, output=whole, epochs=2)
    assert done.best_epoch > 0

    def stop(progress: Any) -> None:
        if progress.measures.get("epoch") == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(photos, output=parts, epochs=2, progress=stop)
    assert sqznet.load_detector(parts).labels == boxed_photos.LABELS
    done, _ = train(photos, output=parts, epochs=2, resume=True)
    assert done.epochs == 2
    found, expected = (sqznet.load_detector(path).checkpoint.tensors for path in (parts, whole))
    assert all(bytes(found[name].data) == bytes(expected[name].data) for name in expected)
    assert sorted(os.listdir(tmp_path)) == ["parts.safetensors", "whole.safetensors"]


def test_sets_with_different_classes(tmp_path: Path) -> None:
    """On the photos of the first only squares are boxed, on those of the second all; a validation
    set in a third format, of which a photo trains, too, is measured."""
    first = boxed_photos.coco(tmp_path / "coco", 4)
    content = json.loads(first.read_text())
    content["annotations"] = [row for row in content["annotations"] if row["category_id"] == 2]
    first.write_text(json.dumps(content))
    second = boxed_photos.voc(tmp_path / "voc", 3, seed=1)
    output = tmp_path / "made.safetensors"
    done, said = train(first, second, output=output, val=second, classes=["square", "disc"])
    assert done.labels == ("square", "disc")
    assert (done.photos, done.evaluation.photos) == (7, 3)
    assert said == [
        "3 of the photos to validate with are among those to train with: what is measured on them "
        "promises too much"
    ]


def test_what_cannot_be_trained(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.safetensors"

    def refused(reason: str, *places: Path, error: type[Exception] = SqznetError, **o: Any) -> None:
        with pytest.raises(error, match=reason):
            train(*(places or (photos,)), output=o.pop("output", output), **o)

    refused("no such file or folder", tmp_path / "none")
    refused("val is 1.5, expected a share", val=1.5)
    refused("val is 0, expected a share", val=0)
    refused("classes: expected a list of different names", classes="disc")
    refused("classes: expected a list of different names", classes=["disc", "disc"])
    refused("no photo to train with has a box of mug", classes=["disc", "mug"])
    refused("size is 100 x 100 pixels, expected sides from 128 up that are multiples", size=100)
    refused("size is 'x'", size="x")
    refused("No such file", from_=tmp_path / "none.pth", error=WeightsError)
    refused("expected a name that ends in .safetensors", output=tmp_path / "made.onnx")
    refused("there is no run to resume", resume=True)
    (tmp_path / "empty").mkdir()
    refused("a folder without photos", tmp_path / "empty")
    one = boxed_photos.yolo(tmp_path / "one", 1)
    refused("found 1 photos with things, expected two or more", one)
    (one / "labels" / "0.txt").write_text("")
    refused("no photo has a box, so there is nothing to learn", one)
    bad = boxed_photos.yolo(tmp_path / "bad", 2)
    for photo in (bad / "images").iterdir():
        photo.write_bytes(b"no photo")
    refused("none of the photos could be read", bad)
    assert not output.exists()
    assert not Path(f"{output}.training").exists()


def test_the_command(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "made.safetensors"
    words = ["train-detector", str(photos), "-o", str(output), "--size", "128", "--epochs", "1"]
    assert main([*words, "--no-mirror", "--device", "cpu", "--classes", "square"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].startswith(f"{output}: square, 4.8 MB, ")
    assert lines[1] == "2 photos, 2 things"
    assert "boxes of other classes are left out: disc" in said.err
    assert "epoch 1: loss " in said.err
    assert main([*words, "--val", "2"]) == 1
    assert "sqznet: val is 2" in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_set_is_learned(tmp_path: Path) -> None:
    """Two new classes, of which the bundled detector knows nothing, from 24 photos."""
    photos = boxed_photos.voc(tmp_path / "photos", 24)
    others = boxed_photos.yolo(tmp_path / "others", 16, seed=1)
    output = tmp_path / "made.safetensors"
    history: list[Any] = []
    done, _ = train(
        photos,
        output=output,
        val=others,
        epochs=16,
        progress=lambda progress: history.append(progress.measures) if progress.measures else None,
    )
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert done.evaluation.ap50 > 0.9
    for label in boxed_photos.LABELS:
        assert done.evaluation.counts(0.35, label).recall > 0.8
