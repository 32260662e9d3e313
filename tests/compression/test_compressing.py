"""Whole networks, compressed with a few photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.compression.compressing import divided, steps
from sqznet.errors import ImageError, SqznetError
from sqznet.network.variants import Wiring

from ..support import networks
from ..support.quantizable import small_file, small_model, some_photos

NETWORKS = {
    "1.1": ("squeezenet1_1", ""),
    "1.0": ("squeezenet1_0", ""),
    "1.1, padded": ("squeezenet1_1", "", Wiring(conv1_padding=1, conv10_padding=1)),
    "1.1, no ReLU": ("squeezenet1_1", "", Wiring(conv10_relu=False)),
    "1.1, simple bypass": ("squeezenet1_1", "simple"),
    "1.0, complex bypass": ("squeezenet1_0", "complex"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_small_file_answers_almost_as_before(tmp_path: Path, name: str) -> None:
    model = small_model(tmp_path / "small.safetensors", *NETWORKS[name])
    found = sqznet.compress(model, some_photos(12))
    assert (found.calibrated, found.judged) == (9, 3)
    assert 0 <= found.divergence < 0.01
    assert -1 <= found.top1 <= 0
    found.save(tmp_path / "small.sqz")
    again = sqznet.load(tmp_path / "small.sqz", threads=1)
    assert (again.variant, again.wiring) == (model.variant, model.wiring)
    x = model.preprocess(networks.photo(77))
    expected = model.logits(x)
    assert np.abs(again.logits(x) - expected).max() < 0.1 * np.abs(expected).max()


def test_progress_is_counted(tmp_path: Path) -> None:
    model = small_model(tmp_path / "small.safetensors")
    counted: list[None] = []
    sqznet.compress(model, some_photos(), advance=lambda: counted.append(None))
    assert len(counted) == steps(model, 8)


def test_the_same_photos_give_the_same_file(tmp_path: Path) -> None:
    path = small_file(tmp_path / "small.safetensors")
    first, second = (sqznet.compress(path, some_photos()).content for _ in range(2))
    assert first == second


def test_a_quality_is_kept_with_fewer_bytes(tmp_path: Path) -> None:
    model = small_model(tmp_path / "small.safetensors")
    plain = sqznet.compress(model, some_photos())
    coarse = sqznet.compress(model, some_photos(), quality=4 * plain.divergence)
    assert coarse.divergence <= 4 * plain.divergence
    assert len(coarse.content) < len(plain.content)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 10**6, "quality": 0.1}, "found both"),
        ({"quality": float("nan")}, "expected a divergence above 0"),
        ({"quality": 0.0}, "expected a divergence above 0"),
    ],
)
def test_wrong_wishes_are_refused(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(SqznetError, match=message):
        sqznet.compress(small_file(tmp_path / "small.safetensors"), some_photos(), **given)


def test_one_photo_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(SqznetError, match="found 1, expected 2 or more"):
        sqznet.compress(small_file(tmp_path / "small.safetensors"), networks.photo())


def test_what_is_no_photo_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        sqznet.compress(small_file(tmp_path / "s.safetensors"), [networks.photo(), b"nothing"])


@pytest.mark.parametrize(("count", "apart"), [(2, [1]), (4, [3]), (9, [3, 7])])
def test_photos_are_kept_apart(count: int, apart: list[int]) -> None:
    used, kept = divided(count)
    assert kept == apart
    assert sorted(used + kept) == list(range(count))


def test_it_runs_in_integers_too(tmp_path: Path) -> None:
    model = small_model(tmp_path / "small.safetensors", "squeezenet1_1", "complex")
    sqznet.compress(model, some_photos(12)).save(tmp_path / "small.sqz")
    exact, integers = (
        sqznet.load(tmp_path / "small.sqz", threads=1, precision=precision)
        for precision in ("float32", "int8")
    )
    assert integers.precision == "int8"
    x = model.preprocess(networks.photo(77))
    expected = exact.logits(x)
    assert 0 < np.abs(integers.logits(x) - expected).max() < 0.1 * np.abs(expected).max()
    sqznet.convert(tmp_path / "small.sqz", tmp_path / "same.safetensors")
    same = sqznet.load(tmp_path / "same.safetensors", threads=1, precision="int8")
    assert (same.logits(x) == integers.logits(x)).all()


def test_other_entries_are_kept(tmp_path: Path) -> None:
    path = small_file(tmp_path / "small.safetensors", more={"provenance": "a garden"})
    sqznet.compress(path, some_photos(4)).save(tmp_path / "small.sqz")
    assert weights.read(tmp_path / "small.sqz").metadata["provenance"] == "a garden"


def test_a_network_without_its_head_is_refused(tmp_path: Path) -> None:
    made = {k: v for k, v in networks.tensors().items() if not k.startswith("classifier.")}
    path = networks.save(tmp_path / "trunk.safetensors", made)
    with pytest.raises(SqznetError, match="needs a network with a classifier or a detector"):
        sqznet.compress(path, some_photos(4))
