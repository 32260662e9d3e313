"""Learns photos of real hands and faces; `python -m benchmarks.learning` prints all figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet.images import decoding
from sqznet.learning import features
from sqznet.learning.learner import Learner
from sqznet.learning.recognizer import learn

SPLITS = 10


def class_folders(folder: Path, count: int) -> list[Path]:
    return sorted(folder.iterdir())[:count]


def test_five_people(shared: Path, coarse: Path) -> None:
    people = class_folders(shared / "faces", 7)
    known, strangers = people[:5], people[5:]
    photos = {person.name: sorted(person.iterdir()) for person in people}
    shown = {person.name: photos[person.name][:4] for person in known}
    taught = learn(shown, model=sqznet.load(coarse, threads=1))
    answers = {p.name: taught.answers(photos[p.name][4:7]) for p in people}
    for index, person in enumerate(known):
        assert (answers[person.name].scores.argmax(axis=1) == index).all()
    assert np.mean([answers[person.name].unknown.mean() for person in known]) <= 0.2
    familiar, strange = (
        np.concatenate([answers[person.name].familiarity for person in group])
        for group in (known, strangers)
    )
    assert (familiar[:, None] > strange).mean() >= 0.9


@pytest.fixture(scope="module")
def described(shared: Path) -> Callable[[str], tuple[Any, Any, Any]]:
    """The classes, descriptions and mirror-image descriptions of the photos in a folder."""
    model = sqznet.load(threads=1)
    made: dict[str, tuple[Any, Any, Any]] = {}

    def of(name: str) -> tuple[Any, Any, Any]:
        if name not in made:
            files = sorted((shared / name).glob("*/*"))
            names = sorted({path.parent.name for path in files})
            pixels = [decoding.decode(path) for path in files]
            made[name] = (
                np.array([names.index(path.parent.name) for path in files]),
                features.describe(model, pixels),
                features.describe(model, [features.mirror_image(p) for p in pixels]),
            )
        return made[name]

    return of


def taught(
    data: tuple[Any, Any, Any], classes: list[int], shown: int, rng: Any
) -> tuple[Learner, Any]:
    """A learner for these classes, and their photos that are not examples."""
    truth, plain, mirrored = data
    learner, rest = Learner(), []
    examples = {}
    for label in classes:
        rows = rng.permutation(np.flatnonzero(truth == label))
        examples[str(label)] = plain[rows[:shown]], mirrored[rows[:shown]]
        rest.append(rows[shown:])
    learner.add(examples)
    return learner, np.concatenate(rest)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shown", "wanted"),
    [
        ("gestures", 5, 0.76),
        ("gestures", 20, 0.87),
        ("gestures", 50, 0.92),
        ("faces", 1, 0.90),
        ("faces", 5, 0.99),
    ],
)
def test_accuracy(described: Any, name: str, shown: int, wanted: float) -> None:
    data = described(name)
    reached = []
    for split in range(SPLITS):
        classes = list(range(data[0].max() + 1))
        learner, rest = taught(data, classes, shown, np.random.default_rng([4, split]))
        found = learner.ask(data[1][rest]).scores.argmax(axis=1)
        reached.append((found == data[0][rest]).mean())
    assert np.mean(reached) >= wanted


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shown", "wanted"), [("gestures", 20, 0.80), ("faces", 5, 0.95)])
def test_unknown_classes_look_unfamiliar(
    described: Any, name: str, shown: int, wanted: float
) -> None:
    data = described(name)
    reached, rejected = [], []
    for split in range(SPLITS):
        rng = np.random.default_rng([5, split])
        order = rng.permutation(data[0].max() + 1)
        never = order[: round(len(order) / 3)]
        learner, rest = taught(data, order[len(never) :].tolist(), shown, rng)
        known = learner.ask(data[1][rest])
        strange = learner.ask(data[1][np.isin(data[0], never)])
        reached.append((known.familiarity[:, None] > strange.familiarity).mean())
        rejected.append(known.unknown.mean())
    assert np.mean(reached) >= wanted
    assert np.mean(rejected) < 0.08


@pytest.mark.parametrize(
    "file", ["squeezenet1_0.pth", "squeezenet1_1.qdq-int8.onnx", "squeezenet1_1.keras.h5"]
)
def test_any_network_can_be_the_backbone(shared: Path, tmp_path: Path, file: str) -> None:
    if file.endswith(".h5"):
        pytest.importorskip("h5py", reason="h5py is not installed")
    people = {p.name: sorted(p.iterdir()) for p in class_folders(shared / "faces", 3)}
    path = shared / "weights" / file
    few_pixels = sqznet.load(path).preprocessing._replace(size=(128, 128))
    model = sqznet.load(path, threads=1, preprocessing=few_pixels)
    shown = {name: photos[:2] for name, photos in people.items()}
    taught = learn(shown, model=model, mirror=False)
    taught.save(tmp_path / "people.sqz")
    again = sqznet.load(tmp_path / "people.sqz", backbone=path)
    for name, photos in people.items():
        answer = taught.classify(photos[5])
        assert again.classify(photos[5]) == answer
        # Two photos of a face are few: it may be "unknown", but must not be another person.
        assert next(p.label for p in answer if p.index >= 0) == name
