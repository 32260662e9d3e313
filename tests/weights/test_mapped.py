"""Weights files that are written to while a model is in use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet import WeightsError, weights
from sqznet.engine.executor import Executor
from sqznet.weights.conversion import writers

from ..support import networks

MESSAGE = "was written to while it was in use"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    networks.save(path, networks.tensors())
    os.utime(path, (1_000_000_000, 1_000_000_000))  # clocks of file systems are coarse
    return path


def write_into(path: Path) -> None:
    with path.open("r+b") as content:
        content.seek(-8, os.SEEK_END)
        content.write(bytes(8))


def test_classifying_continues_and_access_to_weights_is_refused(file: Path) -> None:
    model = sqznet.load(file)
    expected = model.classify(networks.photo())
    recognizer = sqznet.learn({"photo": [networks.photo()]}, model=model, report=lambda _: None)
    write_into(file)
    assert model.classify(networks.photo()) == expected
    with pytest.raises(WeightsError, match=MESSAGE):
        model.heatmap(networks.photo())
    with pytest.raises(WeightsError, match=MESSAGE):
        recognizer.save(file.with_suffix(".sqz"))


def test_a_file_that_changes_while_it_is_packed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Executor.__init__

    def packed(self: Executor, *arguments: Any) -> None:
        write_into(file)
        before(self, *arguments)

    monkeypatch.setattr(Executor, "__init__", packed)
    with pytest.raises(WeightsError, match=MESSAGE):
        sqznet.load(file)


def test_a_file_that_changes_while_it_is_converted(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = writers.encode

    def encoded(*arguments: Any) -> bytes:
        write_into(file)
        return before(*arguments)

    monkeypatch.setattr(writers, "encode", encoded)
    target = file.with_suffix(".npz")
    with pytest.raises(WeightsError, match=MESSAGE):
        sqznet.convert(file, target)
    assert not target.exists()


def test_a_deleted_file_stays_readable(file: Path) -> None:
    checkpoint = weights.read(file)
    file.unlink()
    checkpoint.require_unchanged()
    file.write_bytes(b"another one")
    checkpoint.require_unchanged()
