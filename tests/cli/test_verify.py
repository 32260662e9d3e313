"""`sqznet verify`: correct kernels pass, and wrong ones fail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import _kernels, weights
from sqznet.calibration.quantizing import float_tensors, weight
from sqznet.diagnostics import integers, verification
from sqznet.diagnostics.verification import BOUND, BUNDLED_SHA256, checks
from sqznet.engine.executor import Workspace
from sqznet.quantization import reference
from sqznet.quantization.integers import integer_convs
from sqznet.quantization.plan import plan

from ..support.commands import exit_code

Change = Callable[[Any], None]


def failures(isa: str = "scalar") -> set[str]:
    return {check.name for check in checks(isa) if not check.passed}


@pytest.fixture
def one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole networks only on the smaller image, which saves seconds."""
    monkeypatch.setattr(verification, "_SIZES", verification._SIZES[:1])


@pytest.mark.usefixtures("one_size")
def test_a_small_photo_passes_on_every_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("verify") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == f"all {len(lines)} checks passed"
    runnable = {name for name, _, runs, _ in _kernels.instruction_sets() if runs}
    assert {line.split()[1] for line in lines} == {"files"} | runnable


@pytest.mark.slow
def test_everything_passes_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("verify") == 0
    out, err = capsys.readouterr()
    assert err == ""
    *lines, last = out.splitlines()
    assert last == f"all {len(lines)} checks passed"
    assert all(line.startswith("ok ") for line in lines)
    subjects = {line.split()[1] for line in lines}
    sets = _kernels.instruction_sets()
    runnable, with_int8 = (
        {name for name, families, runs, _ in sets if family in families and runs}
        for family in ("f32", "int8")
    )
    assert subjects == {"files"} | runnable | with_int8
    same = [line for line in lines if re.search(r" in int8, \d+ x \d+ +SHA-256 \w{12}", line)]
    assert len(same) == 3 * len(with_int8)
    errors = [line for line in lines if re.search(r"error \d\.\de[+-]\d\d, bound 5e-05$", line)]
    assert len(errors) == 11 * len(runnable)


@pytest.mark.usefixtures("one_size")
def test_one_instruction_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("verify", "--isa", "scalar") == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[1] for line in lines[:-1]} == {"files", "scalar"}
    assert exit_code("verify", "--isa", "mmx") == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "mmx" in err


@pytest.mark.parametrize("passed", [True, False])
def test_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], passed: bool
) -> None:
    done = [
        verification.Check("files", "a", True, "x"),
        verification.Check("avx2", "b", passed, ""),
    ]
    monkeypatch.setattr(verification, "checks", lambda _: iter(done))
    assert exit_code("verify", "--json") == (0 if passed else 1)
    found = json.loads(capsys.readouterr().out)
    assert found[0] == {"subject": "files", "name": "a", "passed": True, "finding": "x"}
    assert [check["passed"] for check in found] == [True, passed]


def nudged(value: Any) -> None:
    """Changes a single value by little, compared with the largest."""
    value.ravel()[-1] += 20 * BOUND * np.abs(value).max()


def not_a_number(value: Any) -> None:
    value.ravel()[0] = np.nan


def infinite(value: Any) -> None:
    value.ravel()[0] = np.inf


CHANGES = [nudged, not_a_number, infinite]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("kernel", "output", "name"),
    [("max_pool", 3, "pools"), ("add", 4, "sums of a bypass"), ("softmax", 2, "softmax")],
)
def test_a_wrong_kernel_is_detected(
    monkeypatch: pytest.MonkeyPatch, kernel: str, output: int, name: str, change: Change
) -> None:
    right = getattr(_kernels, kernel)

    def wrong(*arguments: Any) -> None:
        right(*arguments)
        change(np.asarray(arguments[output]))

    check = verification._CASES[name]
    table = _kernels.kernels_named("scalar").f32
    assert verification._worst(check(table)) <= BOUND
    monkeypatch.setattr(verification._kernels, kernel, wrong)
    assert not verification._worst(check(table)) <= BOUND


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        ("Conv", "convolutions"),
        ("Squeeze", "1x1 convolutions that skip zeros"),
        ("Stem", "the 7x7 stem"),
        ("PaddedConv", "padded convolutions, every tile"),
        ("Fire", "fire modules, every tile"),
        ("Classifier", "the classifier with its average"),
    ],
)
def test_a_wrong_layer_is_detected(
    monkeypatch: pytest.MonkeyPatch, kernel: str, name: str, change: Change
) -> None:
    made = getattr(_kernels, kernel)

    class Wrong:
        def __init__(self, *arguments: Any) -> None:
            self.scratch = (layer := made(*arguments)).scratch
            self._layer = layer

        def __call__(self, pool: Any, x: Any, scratch: Any, y: Any) -> None:
            self._layer(pool, x, scratch, y)
            change(np.asarray(y))

    monkeypatch.setattr(verification._kernels, kernel, Wrong)
    check = verification._CASES[name]
    assert not verification._worst(check(_kernels.kernels_named("scalar").f32)) <= BOUND


@pytest.mark.parametrize(
    ("kernel", "argument", "tap", "name"),
    [
        ("Conv", 1, 0, "convolutions"),
        ("Squeeze", 1, 0, "1x1 convolutions that skip zeros"),
        ("Stem", 1, 0, "the 7x7 stem"),
        ("PaddedConv", 1, 4, "padded convolutions, every tile"),  # the center
        ("Fire", 3, 0, "fire modules, every tile"),  # expand 1x1
        ("Fire", 5, 4, "fire modules, every tile"),  # expand 3x3, the center
        ("Classifier", 1, 0, "the classifier with its average"),
    ],
)
def test_every_case_detects_a_missing_tap(
    monkeypatch: pytest.MonkeyPatch, kernel: str, argument: int, tap: int, name: str
) -> None:
    made = getattr(_kernels, kernel)

    def without_a_tap(*arguments: Any) -> Any:
        weight = np.array(arguments[argument])
        weight.ravel()[tap] = 0
        changed = _kernels.Tensor.from_bytes(weight.tobytes(), "float32", weight.shape)
        return made(*arguments[:argument], changed, *arguments[argument + 1 :])

    monkeypatch.setattr(verification._kernels, kernel, without_a_tap)
    cases = verification._CASES[name](_kernels.kernels_named("scalar").f32)
    assert min(verification._error(found, expected) for found, expected in cases) > 100 * BOUND


def test_a_layer_left_unwritten_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification._kernels, "max_pool", lambda *_: None)
    table = _kernels.kernels_named("scalar").f32
    assert not verification._worst(verification._pools(table)) <= BOUND


@pytest.mark.usefixtures("one_size")
def test_a_wrong_network_is_detected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = Workspace.run

    def wrong(self: Workspace) -> None:
        right(self)
        nudged(np.asarray(next(iter(self.outputs.values()))))

    monkeypatch.setattr(Workspace, "run", wrong)
    assert exit_code("verify", "--isa", "scalar") == 1
    out = capsys.readouterr().out.splitlines()
    bad = [line.split()[3:5] for line in out if line.startswith("WRONG ")]
    assert bad == [["bundled", "network,"], ["bundled", "network"], ["bundled", "detector"]]
    assert out[-1] == f"3 of {len(out) - 1} checks failed"


@pytest.mark.usefixtures("one_size")
def test_a_single_wrong_bit_of_an_integer_network_is_detected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = sqznet.Model.logits

    def wrong(self: sqznet.Model, x: Any) -> Any:
        logits = right(self, x)
        if self.precision == "int8" and self.threads > 1:
            logits.ravel().view(np.int32)[-1] ^= 1
        return logits

    monkeypatch.setattr(sqznet.Model, "logits", wrong)
    assert failures() == {"the bundled network in int8, 64 x 83"}


@pytest.mark.parametrize("size", integers.DIGESTS)
def test_the_stored_digests_are_the_reference_s(size: tuple[int, int]) -> None:
    checkpoint = weights.bundled()
    assert checkpoint.integers is not None
    network = checkpoint.network()
    planned = plan(network, checkpoint.integers)
    convs = integer_convs(planned, partial(weight, float_tensors(checkpoint)))
    logits = reference.forward(network, convs, planned, integers.photos(*size))
    assert len(np.unique(logits)) > 1000
    assert sha256(logits.astype("<f4").tobytes()).hexdigest() == integers.DIGESTS[size]


def test_the_stored_digest_of_the_detector_is_the_reference_s() -> None:
    checkpoint = weights.read(weights.DETECTOR_PATH)
    assert checkpoint.integers is not None
    network = checkpoint.network()
    planned = plan(network, checkpoint.integers)
    convs = integer_convs(planned, partial(weight, float_tensors(checkpoint)))
    photos = integers.photos(*integers.DETECTED)
    found = reference.layer_outputs(network, convs, planned, photos)
    content = b"".join(found[name].astype("<f4").tobytes() for name in network.outputs)
    assert sha256(content).hexdigest() == integers.DETECTED_DIGEST


def test_the_photos_of_the_digests_are_of_all_levels() -> None:
    photos = integers.photos(64, 83)
    assert photos.shape == (3, 64, 83, 3)
    assert len(np.unique(photos)) == 256


@pytest.mark.usefixtures("one_size")
def test_a_wrong_photo_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    right = sqznet.Model.preprocess

    def wrong(self: sqznet.Model, source: Any) -> Any:
        return np.ascontiguousarray(right(self, source)[..., ::-1])

    monkeypatch.setattr(sqznet.Model, "preprocess", wrong)
    assert failures() == {"preprocessing, compared with Pillow"}


@pytest.mark.usefixtures("one_size")
def test_damaged_files_are_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(Path(weights.BUNDLED_PATH).read_bytes())
    content[-1] ^= 0x80  # the sign of the last weight
    damaged = tmp_path / "squeezenet1_1.safetensors"
    damaged.write_bytes(content)
    monkeypatch.setattr(weights, "BUNDLED_PATH", str(damaged))
    found = {check.name: check for check in checks("scalar") if not check.passed}
    # The list of classes is missing.
    assert set(found) == {*BUNDLED_SHA256, "the bundled network in int8, 64 x 83"}
    assert f"expected {BUNDLED_SHA256[damaged.name][:12]}..." in found[damaged.name].finding
    assert "cannot be read" in found["imagenet_classes.txt"].finding
