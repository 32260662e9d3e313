"""A detector's first weights, what its maps mean, and that training it lowers the loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

import sqznet
from sqznet import WeightsError
from sqznet.training.detectors.decoding import decoded
from sqznet.training.detectors.sets import of_classes, read_sets
from sqznet.training.detectors.start import Start, settle, start
from sqznet.training.detectors.task import DetectionTask
from sqznet.training.detectors.truths import NONE, truths_of
from sqznet.training.twin import twin_of

from ..support import boxed_photos, detectors, squeezedet_files


@pytest.fixture(scope="module")
def bundled() -> Start:
    return start(None, ("zebra", "Dog", "person"), (128, 128), 0)


def test_maps_mean_the_boxes_that_our_kernels_find(tmp_path: Path) -> None:
    path = detectors.save(tmp_path / "small.safetensors")
    detector = sqznet.load_detector(path)
    checkpoint = sqznet.weights.read(path)
    network = checkpoint.network()
    photo = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    with torch.no_grad():
        maps = twin_of(network, checkpoint.tensors)(torch.from_numpy(detector.preprocess(photo)))
    outputs = [branch.output for branch in network.heads["detector"]]
    found = decoded(detectors.DESIGN, outputs, maps)
    scores = found.logits[0].sigmoid()
    point, label = divmod(int(scores.argmax()), scores.shape[1])
    (best,) = detector.detect(photo, 0.0, 1)
    assert best.index == label
    assert best.score == pytest.approx(float(scores[point, label]), abs=1e-5)
    expected = found.boxes[0, point].clamp(0, 128).tolist()
    assert list(best.box[:4]) == pytest.approx(expected, abs=1e-2)


def test_classes_that_the_weights_know_are_kept(bundled: Start) -> None:
    assert bundled.known == ("Dog", "person")
    old = sqznet.weights.read(sqznet.weights.DETECTOR_PATH)
    weight = old.tensors["head.cls.weight"].array()
    found = bundled.twin.state_dict()["head.cls.weight"].numpy()
    assert np.array_equal(found[1:], weight[[old.labels.index("dog"), old.labels.index("person")]])
    assert np.abs(found[0]).max() < 0.1
    sides = bundled.twin.state_dict()["head.box.weight"].numpy()
    assert np.array_equal(sides, old.tensors["head.box.weight"].array())
    assert bundled.preprocessing.size == (128, 128)


def test_a_classifier_gets_a_new_head() -> None:
    first, second, other = (start("squeezenet1_1", ("a",), None, seed) for seed in (0, 0, 1))
    assert first.fresh
    assert first.preprocessing.fit == "squash"
    assert first.preprocessing.size == first.preprocessing.resized == (256, 256)
    states = [
        each.twin.state_dict()["head.fire1.squeeze.weight"] for each in (first, second, other)
    ]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    old = sqznet.weights.bundled().tensors["features.0.weight"].array()
    assert np.array_equal(first.twin.state_dict()["features.0.weight"].numpy(), old)


def test_a_new_head_begins_with_maps_of_unit_size() -> None:
    begin = start("squeezenet1_1", ("a",), (128, 128), 0)
    inputs = 60 * torch.randn((2, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    names = [level.lateral for level in begin.design.levels]
    settle(begin, inputs)
    with torch.no_grad():
        maps = begin.twin(inputs, names)
    for name in names:
        assert float(maps[name].square().mean()) == pytest.approx(1, abs=1e-3)


def test_a_squeezedet_is_refused(tmp_path: Path) -> None:
    path = squeezedet_files.save_npz(tmp_path / "squeezedet.npz", squeezedet_files.layers())
    with pytest.raises(WeightsError, match="is a SqueezeDet, which cannot be trained here"):
        start(path, ("a",), None, 0)


def test_the_weights_go_into_a_file_that_detects(bundled: Start) -> None:
    made = bundled.checkpoint(bundled.twin, "a test")
    assert made.labels == ("zebra", "Dog", "person")
    assert json.loads(made.metadata["labels"]) == ["zebra", "Dog", "person"]
    assert made.network().tensors() == bundled.twin.network.tensors()


# --- Training ------------------------------------------------------------------------------------


def task(folder: Path, count: int, batch: int, size: int = 128, seed: int = 0) -> DetectionTask:
    said: list[Any] = []
    sets = read_sets(boxed_photos.yolo(folder, count), None, (), said.append)
    photos = of_classes(sets, boxed_photos.LABELS, said.append)
    pixels = np.stack([np.asarray(_image(photo.found.path)) for photo in photos])
    return DetectionTask(
        start(None, boxed_photos.LABELS, (size, size), seed),
        pixels,
        truths_of(photos, boxed_photos.LABELS),
        photos,
        device=torch.device("cpu"),
        batch=batch,
        mirror=True,
        seed=seed,
    )


def _image(path: str) -> Any:
    from PIL import Image

    return Image.open(path)


def test_batches_depend_on_the_epoch_alone(tmp_path: Path) -> None:
    made = task(tmp_path, 7, 4)
    assert made.steps == 2
    first, again, other = (list(made.batches(epoch)) for epoch in (3, 3, 4))
    assert [len(batch.inputs) for batch in first] == [4, 3]
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.inputs, b.inputs)
        assert torch.equal(a.truth.boxes, b.truth.boxes)
    assert not torch.equal(first[0].truth.boxes, other[0].truth.boxes)
    for batch in first:
        height, width = batch.inputs.shape[2:]
        assert height == width
        assert height in (96, 128, 160)
        there = batch.truth.boxes[batch.truth.kinds != NONE]
        assert there.min() >= 0
        assert there.max() <= height


def test_the_loss_falls(tmp_path: Path) -> None:
    made = task(tmp_path, 4, 4)
    batch = next(iter(made.batches(0)))
    optimizer = torch.optim.AdamW(
        {"params": list(group.parameters), "lr": group.rate} for group in made.groups
    )
    losses = []
    for _ in range(10):
        loss = made.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.85 * losses[0]


def test_measures_are_those_of_evaluate(tmp_path: Path) -> None:
    made = task(tmp_path, 3, 3)
    measures = made.validate(made.module)
    assert 0 <= measures.score == measures.values["AP"] <= measures.values["AP50"] <= 1
    with torch.no_grad():
        made.module.convolutions["head.cls"].bias.fill_(float("nan"))
    assert np.isnan(made.validate(made.module).score)
