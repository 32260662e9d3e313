"""Models, recognizers and sightings are copied, and sent to other processes."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import WeightsError, weights
from sqznet.weights import hub

from .support import networks
from .support.isolated import run_script

COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    *(
        lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    ),
]


@pytest.fixture
def copied(small: Path, tmp_path: Path) -> Path:
    """The small network, in a file of this test alone."""
    return Path(shutil.copy(small, tmp_path / "copied.safetensors"))


@pytest.mark.parametrize("made", COPIES)
def test_a_copy_of_a_model_gives_the_same(small: Path, made: Callable[[Any], Any]) -> None:
    labels = tuple(f"label {i}" for i in range(7))
    model = sqznet.load(
        small, threads=1, isa="scalar", labels=labels, preprocessing="caffe", ceil_mode=False
    )
    other = made(model)
    assert type(other) is sqznet.Model
    assert other is not model
    for name in ("threads", "isa", "labels", "preprocessing", "wiring", "variant", "fingerprint"):
        assert getattr(other, name) == getattr(model, name), name
    assert other.classify(networks.photo()) == model.classify(networks.photo())
    assert np.array_equal(other.heatmap(networks.photo()), model.heatmap(networks.photo()))
    assert made(other).fingerprint == model.fingerprint


def test_a_model_is_sent_by_its_source_and_not_by_its_weights(copied: Path) -> None:
    model = sqznet.load(copied)
    sent = pickle.dumps(model)
    assert len(sent) < 2000 < copied.stat().st_size
    assert os.fsencode(copied) in sent
    assert len(pickle.dumps(sqznet.load())) < 40_000  # the names of a thousand classes
    assert weights.BUNDLED_PATH.encode() not in pickle.dumps(sqznet.load())


def test_a_relative_path_is_the_same_elsewhere(
    copied: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(copied.parent)
    sent = pickle.dumps(sqznet.load(copied.name))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pickle.loads(sent).num_classes == 7


def test_a_downloaded_model_is_sent_by_its_name(
    copied: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = "torchvision/squeezenet1_1"
    content = copied.read_bytes()
    place = tmp_path / "cache" / "torchvision" / hub.FILES[name].file_name
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    monkeypatch.setenv("SQZNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "matches", lambda path, sha256: os.path.exists(path))
    sent = pickle.dumps(sqznet.load(name))
    assert name.encode() in sent
    assert os.fsencode(tmp_path) not in sent
    assert pickle.loads(sent).num_classes == 7


def test_defaults_are_those_of_the_other_process(small: Path) -> None:
    """Threads and instruction set that nobody asked for are chosen again, where they are used."""
    sent = pickle.dumps(sqznet.load(small))
    script = """
        import pickle, sys
        model = pickle.loads(bytes.fromhex(sys.argv[1]))
        print(model.threads, model.isa)
    """
    said = run_script(script, sent.hex(), SQZNET_THREADS="3", SQZNET_ISA="scalar")
    assert said == "3 scalar\n"


@pytest.mark.parametrize("change", ["removed", "changed"])
def test_weights_whose_file_is_gone_are_sent_themselves(copied: Path, change: str) -> None:
    model = sqznet.load(copied, labels=[f"label {i}" for i in range(7)])
    expected = model.classify(networks.photo())
    if change == "removed":
        copied.unlink()
    else:
        networks.save(copied, networks.tensors(classes=3))
    for made in COPIES:
        assert made(model).classify(networks.photo()) == expected
        assert made(made(model)).classify(networks.photo()) == expected


def test_a_file_that_changes_on_the_way_is_found_out(copied: Path) -> None:
    sent = pickle.dumps(sqznet.load(copied))
    networks.save(copied, networks.tensors(classes=7, seed=9))
    with pytest.raises(WeightsError, match="other weights here than where they were pickled"):
        pickle.loads(sent)
    copied.unlink()
    with pytest.raises(WeightsError, match=r"copied\.safetensors"):
        pickle.loads(sent)


@pytest.mark.parametrize("made", COPIES)
def test_a_copy_of_a_recognizer_gives_the_same(small: Path, made: Callable[[Any], Any]) -> None:
    photo = networks.photo()
    model = sqznet.load(small)
    recognizer = sqznet.learn(
        {"a": [photo], "b": [photo[::-1], photo[:, ::-1]]}, model=model, report=lambda _: None
    )
    other = made(recognizer)
    assert type(other) is sqznet.Recognizer
    assert (other.labels, other.num_images) == (("a", "b"), 3)
    assert other.fingerprint == recognizer.fingerprint
    for image in (photo, photo[::-1], np.zeros_like(photo)):
        assert other.classify(image) == recognizer.classify(image)
    other.add("c", [255 - photo])  # learns by itself
    assert recognizer.labels == ("a", "b")
    assert made(other).labels == ("a", "b", "c")
    empty = made(sqznet.Recognizer(model, mirror=False))
    empty.add("a", [photo])
    assert empty.labels == ("a",)


def frames() -> list[sqznet.Frame]:
    chance = np.random.default_rng(2)
    rgb = chance.integers(0, 256, (49, 67, 3), np.uint8)
    planes = chance.integers(0, 256, (75, 72), np.uint8)
    flat = chance.integers(0, 256, 50 * 66 * 3 // 2, np.uint8)
    return [
        sqznet.Frame.wrap(rgb),
        sqznet.Frame.wrap(rgb[::-1, ::2], "bgr"),
        sqznet.Frame.wrap(rgb[..., 0]),
        sqznet.Frame.wrap(planes, "i420", width=67),
        sqznet.Frame.wrap(planes, "nv21", width=67, matrix="bt709", full_range=True),
        sqznet.Frame.wrap(flat, "yv12", height=50, width=66),
        sqznet.Frame.wrap(flat, "nv12", height=50, width=66),
    ]


@pytest.mark.parametrize("made", COPIES)
def test_a_copy_of_a_sighting_is_equal(small: Path, made: Callable[[Any], Any]) -> None:
    model = sqznet.load(small)
    (sighting,) = sqznet.watch([networks.photo()], model=model)
    other = made(sighting)
    for name in ("time", "shown", "predictions", "latency", "dropped", "path"):
        assert getattr(other, name) == getattr(sighting, name)
    assert np.array_equal(other.picture.to_rgb(), sighting.picture.to_rgb())
    for frame in frames():
        copied = made(frame)
        assert np.array_equal(copied.to_rgb(), frame.to_rgb())
        assert np.array_equal(model.preprocess(copied), model.preprocess(frame))


def test_other_processes_classify(small: Path, copied: Path) -> None:
    run_script(
        """
        import os, sys
        import numpy as np
        import sqznet
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        photo = np.random.default_rng(1).integers(0, 256, (90, 110, 3), np.uint8)
        gone = sqznet.load(sys.argv[2])
        os.remove(sys.argv[2])
        recognizer = sqznet.learn({"a": [photo]}, model=gone, report=lambda _: None)
        senders = [sqznet.load(sys.argv[1], threads=1), gone, recognizer]
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # shares nothing with this one
            found = [pool.submit(model.classify, photo) for model in senders]
            for model, future in zip(senders, found, strict=True):
                assert future.result(timeout=120) == model.classify(photo)
            process = pool.submit(os.getpid).result()
        assert process != os.getpid()
        """,
        str(small),
        str(copied),
    )
