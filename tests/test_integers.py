"""All that is built on a model, computed in 8-bit integers because the environment asks for it."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet import Frame, SqznetError, WeightsError

from .support.commands import Run
from .support.forked import in_child
from .support.isolated import run_script
from .support.patterns import pictures
from .support.places import CHELSEA, COFFEE, EXAMPLES
from .support.quantizable import small_file, some_photos

KINDS = ("stripes", "checks", "rings")


@pytest.fixture(autouse=True)
def in_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQZNET_PRECISION", "int8")


@pytest.fixture
def model(coarse: Path) -> sqznet.Model:
    found: sqznet.Model = sqznet.load(coarse, threads=2)
    assert found.precision == "int8"
    return found


@pytest.fixture
def floats(coarse: Path) -> sqznet.Model:
    found: sqznet.Model = sqznet.load(coarse, threads=2, precision="float32")
    assert found.precision == "float32"
    return found


def test_photos_have_the_same_names(model: sqznet.Model, floats: sqznet.Model) -> None:
    for photo in (COFFEE, CHELSEA):
        found, expected = model.classify(photo)[0], floats.classify(photo)[0]
        assert found.label == expected.label
        assert found.score == pytest.approx(expected.score, abs=0.1)
        assert found.score != expected.score


def test_heat_maps_and_boxes(model: sqznet.Model, floats: sqznet.Model) -> None:
    found, expected = model.heatmap(CHELSEA, "tabby"), floats.heatmap(CHELSEA, "tabby")
    assert 0 <= found.min() < 0.1
    assert found.max() == pytest.approx(1)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
    assert found.score == {p.label: p.score for p in model.classify(CHELSEA)}["tabby"]
    (box,), (other,) = model.localize(COFFEE), floats.localize(COFFEE)
    assert np.abs(np.array(box[:4]) - other[:4]).max() < 40  # of 600 pixels


def test_vectors(model: sqznet.Model, floats: sqznet.Model) -> None:
    photos = [COFFEE, CHELSEA]
    found, expected = model.embed(photos, normalize=True), floats.embed(photos, normalize=True)
    assert (np.sum(found * expected, axis=1) > 0.98).all()
    assert not np.array_equal(found, expected)


def test_many_photos_and_threads(model: sqznet.Model) -> None:
    paths = [COFFEE, CHELSEA] * 3
    expected = [model.classify(path) for path in paths]
    assert model.classify(paths) == expected
    assert [found.predictions for found in model.classify_files(paths)] == expected
    assert model.alone().classify(paths) == expected

    async def all_at_once() -> Any:
        return await asyncio.gather(*map(model.aclassify, paths))

    assert asyncio.run(all_at_once()) == expected


def test_frames_become_the_gray_levels_that_floats_stand_for(model: sqznet.Model) -> None:
    """YUV, BGR and gray go through the same kernels to bytes as to floats."""
    random = np.random.default_rng(1)
    mean, std = (np.array(levels) for levels in (model.preprocessing.mean, model.preprocessing.std))
    for image in (
        Frame.wrap(random.integers(0, 256, (270, 240), np.uint8), "nv12"),
        Frame.wrap(random.integers(0, 256, (180, 240, 3), np.uint8), "bgr"),
        random.integers(0, 256, (100, 90), np.uint8),
    ):
        levels = model.preprocess(image).transpose(0, 2, 3, 1) * std + mean
        with_border = model.executor.acquire(1, *model.preprocessing.size)
        model.feed(model.decode(image), with_border.image(0))
        np.testing.assert_allclose(np.asarray(with_border.image(0)), levels, atol=1e-4)


def test_watching(model: sqznet.Model) -> None:
    frames = [np.asarray(Image.open(path)) for path in (COFFEE, CHELSEA)]
    seen = [s.predictions for s in sqznet.watch(iter(frames), model=model, smoothing=0)]
    assert seen == model.classify(frames)


def test_learning(model: sqznet.Model, floats: sqznet.Model, tmp_path: Path) -> None:
    """A recognizer may be taught in either precision and asked in either."""
    shown = {kind: pictures(kind, 4) for kind in KINDS}
    taught, other = (sqznet.learn(shown, model=found) for found in (model, floats))
    assert taught.fingerprint != other.fingerprint
    taught.save(tmp_path / "kinds.sqz")
    for precision in ("int8", "float32"):
        again = sqznet.load(
            tmp_path / "kinds.sqz", backbone=model.checkpoint.path, precision=precision
        )
        assert again.model.precision == precision
        for kind in KINDS:
            for answers in again.classify(pictures(kind, 2, first=50)):
                assert answers[0].label == kind
    assert again.fingerprint != taught.fingerprint


COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda value: pickle.loads(pickle.dumps(value)),
]


@pytest.mark.parametrize("made", COPIES, ids=["copy", "deepcopy", "pickle"])
def test_copies(model: sqznet.Model, made: Callable[[Any], Any]) -> None:
    other = made(model)
    assert (other.precision, other.fingerprint) == ("int8", model.fingerprint)
    assert other.classify(COFFEE) == model.classify(COFFEE)


@pytest.mark.parametrize("there", ["float32", "int8", "auto"])
@pytest.mark.parametrize("here", ["float32", "int8", "auto"])
def test_another_process_computes_in_the_same_precision(
    coarse: Path, here: str, there: str
) -> None:
    model = sqznet.load(coarse, precision=here)
    script = """
        import pickle, sys
        model = pickle.loads(bytes.fromhex(sys.argv[1]))
        print(model.precision, model.fingerprint)
    """
    found = run_script(script, pickle.dumps(model).hex(), SQZNET_PRECISION=there)
    assert found == f"{model.precision} {model.fingerprint}\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking with running threads
def test_a_forked_child(model: sqznet.Model) -> None:
    expected = model.classify([COFFEE, CHELSEA])
    assert in_child(lambda: model.classify([COFFEE, CHELSEA]) == expected)


def test_the_hash_tells_the_answers_of_integers(model: sqznet.Model, floats: sqznet.Model) -> None:
    assert model.fingerprint != floats.fingerprint
    assert floats.fingerprint == sqznet.load(model.checkpoint.path, precision="float32").fingerprint


def test_weights_that_overflow_in_float32_do_not_in_integers(tmp_path: Path) -> None:
    """The bounds of floats do not concern them: maps are bytes, and sums fit in 32 bits."""
    small_model = sqznet.load(small_file(tmp_path / "a.safetensors"), precision="float32")
    small_model.quantize(some_photos(4)).save(tmp_path / "int8.safetensors")
    model = sqznet.load(tmp_path / "int8.safetensors")
    assert model.largest_input == 0
    huge = np.full((1, 3, 64, 64), 1e30, np.float32)
    assert np.isfinite(model.logits(huge)).all()
    white = np.full((1, 3, 64, 64), 255, np.float32)
    assert model.logits(huge).tobytes() == model.logits(white).tobytes()
    huge[0, 0, 0, 0] = np.inf
    with pytest.raises(SqznetError, match="NaN or infinity"):
        model.logits(huge)


# --- Quantizing, whatever the environment says ---------------------------------------------------


def test_a_network_without_integers_can_be_quantized(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, first, second = (tmp_path / f"{name}.safetensors" for name in "abc")
    small_file(source)
    with pytest.raises(WeightsError, match=r"a\.safetensors: precision is 'int8' \(the environm"):
        sqznet.load(source)
    assert run("quantize", source, EXAMPLES, "-o", first).code == 0
    monkeypatch.delenv("SQZNET_PRECISION")
    assert run("quantize", source, EXAMPLES, "-o", second).code == 0
    assert first.read_bytes() == second.read_bytes()


def test_a_model_of_integers_is_quantized_by_its_floats(tmp_path: Path) -> None:
    source = small_file(tmp_path / "a.safetensors")
    photos = some_photos(6)
    sqznet.load(source, precision="float32").quantize(photos, keep_weights=True).save(
        tmp_path / "b.safetensors"
    )
    contents = set()
    for precision in ("float32", "int8"):
        model = sqznet.load(tmp_path / "b.safetensors", precision=precision)
        again = model.quantize(photos)
        assert model.precision == precision
        again.save(tmp_path / "c.safetensors")
        contents.add((tmp_path / "c.safetensors").read_bytes())
        assert again.divergence > 0  # compared with floats, not with itself
    assert len(contents) == 1


@pytest.mark.parametrize("ending", ["safetensors", "npz", "pth", "onnx"])
def test_converted_files_give_the_same_bits(tmp_path: Path, run: Run, ending: str) -> None:
    model = sqznet.load(small_file(tmp_path / "a.safetensors"), precision="float32")
    model.quantize(some_photos(4)).save(tmp_path / "int8.safetensors")
    source = sqznet.load(tmp_path / "int8.safetensors")
    target = tmp_path / f"other.{ending}"
    assert run("convert", tmp_path / "int8.safetensors", target).code == 0
    converted = sqznet.load(target)
    assert converted.precision == "int8"
    said = "yes, by default" if ending == "onnx" else "yes, with --precision int8"
    assert re.search(rf"^  int8 +{said}$", run("identify", target).out, re.M)
    photo = some_photos(1)[0]  # an ONNX file has the preprocessing in its graph
    logits = [model.logits(model.preprocess(photo)) for model in (source, converted)]
    assert logits[0].tobytes() == logits[1].tobytes()


# --- Commands ------------------------------------------------------------------------------------


def test_info_says_the_precision_and_why(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def row(name: str) -> str:
        code, out, err = run("info")
        assert (code, err) == (0, "")
        return dict(re.split(r"  +", line, maxsplit=1) for line in out.splitlines())[name]

    assert row("precision") == "int8: the environment's SQZNET_PRECISION"
    monkeypatch.setenv("SQZNET_PRECISION", "auto")
    assert row("precision") == row("precision 'auto'")
    assert re.fullmatch(
        r"(int8: int8 is faster|float32: int8 is not much faster) with \w+", row("precision")
    )
    monkeypatch.delenv("SQZNET_PRECISION")
    assert row("precision") == "float32: the default"
    monkeypatch.setenv("SQZNET_PRECISION", "int7")
    code, out, err = run("info")
    assert (code, out) == (2, "")
    assert "'int7' (the environment's SQZNET_PRECISION)" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "PHOTO", "--format", "jsonl"),
        ("explain", "PHOTO", "-o", "OUT.png"),
        ("watch", "PHOTO", "--format", "jsonl"),
        ("embed", "PHOTO", "-o", "OUT.npz"),
        ("bench", "--seconds", "0.1"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands(
    coarse: Path, tmp_path: Path, run: Run, arguments: tuple[str, ...], monkeypatch: Any
) -> None:
    """Each has the option, which goes before the environment."""
    monkeypatch.setenv("SQZNET_PRECISION", "int7")
    given = [a.replace("PHOTO", str(COFFEE)).replace("OUT", str(tmp_path / "o")) for a in arguments]
    for precision in ("int8", "float32"):
        code, out, err = run(*given, "--model", coarse, "--precision", precision)
        assert (code, err) == (0, "")
        if arguments[0] == "bench":
            assert f"squeezenet1_1, {precision}, " in out
    assert run(*given, "--model", coarse).code == 2


def test_answers_of_another_precision_are_not_continued(
    coarse: Path, tmp_path: Path, run: Run
) -> None:
    target = tmp_path / "answers.jsonl"
    assert run("classify", COFFEE, "--model", coarse, "-o", target).code == 0
    command = ("classify", COFFEE, CHELSEA, "--model", coarse, "-o", target, "--resume")
    code, _, err = run(*command, "--precision", "float32")
    assert code != 0
    assert "take the same model" in err
    assert run(*command).code == 0
    lines = target.read_text().splitlines()
    labels = [json.loads(line)["predictions"][0]["label"] for line in lines]
    assert labels == [sqznet.load(coarse).classify(path)[0].label for path in (COFFEE, CHELSEA)]


def test_a_recognizer_takes_the_option(run: Run, tmp_path: Path) -> None:
    for kind in ("cup", "cat"):
        (tmp_path / "shown" / kind).mkdir(parents=True)
        shutil.copy({"cup": COFFEE, "cat": CHELSEA}[kind], tmp_path / "shown" / kind)
    learned = tmp_path / "learned.sqz"
    assert run("learn", tmp_path / "shown", "-o", learned).code == 0
    for options in ((), ("--precision", "float32")):
        code, out, err = run("classify", COFFEE, "--model", learned, *options)
        assert (code, err) == (0, "")
        assert "1  cup" in out
