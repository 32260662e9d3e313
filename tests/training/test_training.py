"""`sqznet.train` from a folder to a file, with a tiny network."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet import ImageError, SqznetError, WeightsError, weights

from ..support import detectors
from ..support.patterns import picture, write_folder

torch = pytest.importorskip("torch", reason="training needs torch")

KINDS = ("rings", "checks", "stripes")
LABELS = tuple(sorted(KINDS))

Train = Callable[..., sqznet.Trained]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("photos") / "kinds", KINDS, 12)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled weights with an input of 64 x 64 pixels, for what needs a network that sees."""
    content = Path(weights.BUNDLED_PATH).read_bytes()
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    path.write_bytes(content.replace(b"[224,224]", b"[64,64]  "))
    return path


@pytest.fixture
def train(small: Path, folder: Path, tmp_path: Path) -> Train:
    """Trains the small network; what is reported is an error, unless the test expects it."""

    def fail(message: Any) -> None:
        raise AssertionError(message)

    def run(
        given: Any = folder, output: Path = tmp_path / "kinds.safetensors", **options: Any
    ) -> Any:
        options = {"from_": small, "epochs": 2, "report": fail, "device": "cpu", **options}
        return sqznet.train(given, output, **options)

    return run


def test_a_folder_becomes_a_file_that_classifies(train: Train, tmp_path: Path, tiny: Path) -> None:
    kinds = ("arrow left", "arrow right", "checks", "rings")
    shown = write_folder(tmp_path / "shown", kinds, 10)
    heard: list[sqznet.TrainingProgress] = []
    lines: list[Any] = []
    found = train(shown, from_=tiny, epochs=8, report=lines.append, progress=heard.append)
    losses = [progress.measures["loss"] for progress in heard if progress.measures]
    assert len(losses) == found.epochs == 8
    assert sum(losses[-2:]) < 0.6 * sum(losses[:2])  # some batches of each epoch are mixed
    assert lines == ["mirror images look like other classes, so none are trained with"]
    assert found.accuracy > 0.8
    assert found.labels == kinds
    assert (found.photos, found.validated) == (32, 8)
    model = sqznet.load(found.path)
    assert model.labels == kinds
    assert model.preprocessing == sqznet.load(tiny).preprocessing
    tested = sqznet.evaluate(write_folder(tmp_path / "others", kinds, 4, first=100), model=model)
    assert tested.accuracy > 0.8
    stages = list(dict.fromkeys(progress.stage for progress in heard))
    assert stages == ["photos", "head", "epochs", "result"]
    assert all(0 <= progress.done <= 1 for progress in heard)
    assert sorted(os.listdir(tmp_path)) == [
        "kinds.safetensors",
        "kinds_report",
        "others",
        "shown",
    ]


def test_the_file_works_with_everything(
    train: Train, tmp_path: Path, folder: Path, tiny: Path
) -> None:
    path = train(from_=tiny, epochs=1).path
    photos = sorted(map(str, folder.rglob("*.png")))
    model = sqznet.load(path)
    integers = sqznet.load(path, precision="int8")
    assert integers.precision == "int8"
    both = zip(model.classify(photos), integers.classify(photos), strict=True)
    assert sum(one[0].label == other[0].label for one, other in both) > 0.8 * len(photos)
    assert model.heatmap(photos[0]).label in LABELS
    assert model.embed(photos[0]).shape == (1, 512)
    assert sqznet.learn(folder, model=model).labels == LABELS
    model.quantize(photos).save(tmp_path / "int8.safetensors")
    for name in ("copy.onnx", "copy.pth"):
        sqznet.convert(path, tmp_path / name)
        copy = sqznet.load(tmp_path / name)
        assert copy.labels == LABELS
        x = model.preprocess(photos[0])
        assert np.allclose(copy.logits(x), model.logits(x), atol=1e-5)
    assert sqznet.identify(path).int8


def test_the_file_says_where_it_comes_from(train: Train, small: Path) -> None:
    found = train(epochs=1, seed=3)
    stated = json.loads(weights.read(found.path).metadata["training"])
    assert stated["command"].startswith("sqznet train ")
    assert " --val 0.2 -o " in stated["command"]
    assert stated["command"].endswith(f" --from {small} --epochs 1 --seed 3")
    assert stated["accuracy"] == found.accuracy
    assert stated["from"]["file"] == small.name
    assert (stated["photos"], stated["validated"], stated["seed"]) == (30, 6, 3)
    assert stated["versions"]["torch"] == torch.__version__
    assert len(stated["data"]) == 64


def test_the_same_seed_gives_the_same_file(train: Train) -> None:
    found = [Path(train(seed=seed).path).read_bytes() for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("at", [1, 3])
def test_an_interrupted_run_leaves_the_best_and_resumes_exactly(
    train: Train, tmp_path: Path, at: int
) -> None:
    whole = train(output=tmp_path / "whole.safetensors", epochs=4)
    target = tmp_path / "kinds.safetensors"
    epochs = 0

    def interrupt(progress: sqznet.TrainingProgress) -> None:
        nonlocal epochs
        epochs += bool(progress.measures)
        if epochs == at and not progress.measures and progress.stage == "epochs":
            raise KeyboardInterrupt

    lines: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        train(epochs=4, progress=interrupt, report=lines.append)
    assert ["interrupted; it has the best weights so far" in str(line) for line in lines] == [True]
    assert sqznet.load(target).labels == LABELS
    found = train(epochs=4, resume=True)
    assert Path(found.path).read_bytes()[:8] == Path(whole.path).read_bytes()[:8]
    ours, theirs = (weights.read(run.path).tensors for run in (found, whole))
    assert all(bytes(ours[name].data) == bytes(theirs[name].data) for name in theirs)
    assert (found.epochs, found.accuracy) == (whole.epochs, whole.accuracy)
    assert not (tmp_path / "kinds.safetensors.training").exists()


def test_a_run_resumes_only_with_the_same_photos_and_settings(
    train: Train, tmp_path: Path, folder: Path
) -> None:
    def interrupt(progress: sqznet.TrainingProgress) -> None:
        if progress.measures:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(progress=interrupt, report=lambda _: None)
    others = shutil.copytree(folder, tmp_path / "others")
    Image.fromarray(picture("rings", 77)).save(others / "rings" / "0.png")
    for changed in ({"epochs": 3}, {"seed": 1}, {"given": others}):
        with pytest.raises(SqznetError, match="belongs to another run"):
            train(resume=True, **changed)
    train(resume=True)
    with pytest.raises(SqznetError, match="there is no run to resume"):
        train(resume=True)


def test_beginning_anew_is_said(train: Train) -> None:
    def interrupt(progress: sqznet.TrainingProgress) -> None:
        if progress.measures:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(progress=interrupt, report=lambda _: None)
    lines: list[Any] = []
    train(report=lines.append)
    assert lines == ["begins anew, without the checkpoint of an earlier run"]


def test_training_goes_on_with_the_same_classes(train: Train, tmp_path: Path) -> None:
    first = train(epochs=3)
    stages: list[str] = []
    again = train(
        output=tmp_path / "again.safetensors",
        from_=first.path,
        epochs=1,
        progress=lambda progress: stages.append(progress.stage),
    )
    assert "head" not in stages  # it has one
    assert again.accuracy >= first.accuracy - 0.2


def test_validation_photos_can_be_a_folder(train: Train, tmp_path: Path, folder: Path) -> None:
    others = write_folder(tmp_path / "others", KINDS, 2, first=50)
    found = train(val=others, epochs=1)
    assert (found.photos, found.validated) == (36, 6)
    shutil.copy(folder / "rings" / "0.png", others / "rings")
    lines: list[Any] = []
    train(val=others, epochs=1, report=lines.append)
    assert [str(line)[:60] for line in lines] == [
        "1 of the validation photos are among those to train with: th"
    ]


def test_a_mapping_of_paths_trains_like_a_folder(train: Train, folder: Path) -> None:
    given = {label: sorted((folder / label).iterdir()) for label in LABELS}
    assert train(given, epochs=1).photos == 30


def test_a_time_limit_is_kept(train: Train) -> None:
    found = train(epochs=None, minutes=0.12)
    assert found.seconds < 20
    assert found.epochs >= 1


def test_unreadable_photos_are_left_out(train: Train, tmp_path: Path, folder: Path) -> None:
    photos = shutil.copytree(folder, tmp_path / "photos")
    (photos / "rings" / "bad.jpg").write_bytes(b"no picture")
    Image.fromarray(picture("rings", 5)[:40]).convert("L").save(photos / "rings" / "gray.png")
    lines: list[Any] = []
    found = train(photos, epochs=1, report=lines.append)
    assert [type(line) for line in lines] == [ImageError]
    assert "bad.jpg" in str(lines[0])
    assert found.photos + found.validated == 37


def left_nothing(tmp_path: Path) -> bool:
    return not [name for name in os.listdir(tmp_path) if name.startswith("kinds")]


def test_what_cannot_be_trained_is_refused(train: Train, tmp_path: Path, folder: Path) -> None:
    one = shutil.copytree(folder / "rings", tmp_path / "one" / "rings")
    refused: list[tuple[str, dict[str, Any]]] = [
        ("one class alone, 'rings'", {"given": one.parent}),
        ("No such file", {"given": tmp_path / "missing"}),
        ("expected a name that ends in .safetensors", {"output": tmp_path / "kinds.pth"}),
        ("No such file or directory", {"output": tmp_path / "none" / "kinds.safetensors"}),
        ("no regular file", {"output": tmp_path.with_suffix(".safetensors")}),
        ("epochs must be a whole number", {"epochs": 0}),
        ("minutes is 0, expected a number above 0", {"minutes": 0}),
        ("seed is -1, expected a whole number", {"seed": -1}),
        ("device is 'tpu', expected one of auto, cpu, cuda", {"device": "tpu"}),
        ("val is 2, expected a share between 0 and 1", {"val": 2}),
        ("expected a sub-folder with images for each class", {"val": tmp_path / "empty"}),
        ("there is no run to resume", {"resume": True}),
    ]
    tmp_path.with_suffix(".safetensors").mkdir()
    (tmp_path / "empty").mkdir()
    for message, options in refused:
        with pytest.raises(SqznetError) as caught:
            train(**options)
        assert message in str(caught.value)
    with pytest.raises(WeightsError, match="is a detector, expected a classifier"):
        train(from_=detectors.save(tmp_path / "detector.safetensors"))
    assert left_nothing(tmp_path)


def test_a_gpu_that_is_not_there_is_said(train: Train) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SqznetError, match=r"device is 'cuda', but torch .* finds no GPU"):
        train(device="cuda")


def test_a_class_without_a_readable_photo_is_an_error(train: Train, tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", ("rings", "checks"), 3)
    for path in (photos / "rings").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(SqznetError, match="none of the photos of rings could be read"):
        train(photos, report=lambda _: None)
    assert left_nothing(tmp_path)


def test_a_result_that_cannot_be_written_can_be_resumed(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqznet.training import running

    def write(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(running, "write_file", write)
        with pytest.raises(SqznetError, match=r"cannot be written: No space left.*--resume"):
            train()
    assert not (tmp_path / "kinds.safetensors").exists()
    assert train(resume=True).epochs == 2
