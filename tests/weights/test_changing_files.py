"""Weights files that are written to, truncated or removed while they are read, and later."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet import WeightsError, weights
from sqznet.weights import mapped

from ..support import networks
from ..support.isolated import run_script


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


def spoil(path: Path, how: str) -> None:
    if how == "written":
        write_into(path)
    elif how == "truncated":
        os.truncate(path, 0)
    elif how == "replaced":
        path.with_name("other").write_bytes(b"another one")
        os.replace(path.with_name("other"), path)
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["written", "truncated", "replaced", "removed"])
def test_what_becomes_of_the_file_changes_nothing(file: Path, how: str) -> None:
    model = sqznet.load(file)
    recognizer = sqznet.learn({"photo": [networks.photo()]}, model=model, report=lambda _: None)
    expected = model.classify(networks.photo()), model.heatmap(networks.photo()).tolist()
    target = file.with_suffix(".sqz")
    recognizer.save(target)
    saved, fingerprint = target.read_bytes(), sqznet.load(file).fingerprint
    spoil(file, how)
    assert model.classify(networks.photo()) == expected[0]
    assert model.heatmap(networks.photo()).tolist() == expected[1]
    recognizer.save(target)
    assert target.read_bytes() == saved
    assert model.fingerprint == fingerprint


@pytest.mark.parametrize("change", [write_into, lambda path: os.truncate(path, 100)])
def test_a_file_that_changes_while_it_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    states = os.fstat

    def changed(descriptor: int) -> os.stat_result:
        state = states(descriptor)
        change(file)
        return state

    monkeypatch.setattr(mapped.os, "fstat", changed)
    with pytest.raises(WeightsError, match=r"small\.safetensors: was written to while it was read"):
        weights.read(file)


def test_a_file_is_truncated_again_and_again(file: Path) -> None:
    """A mapping of it would end the process by SIGBUS."""
    run_script(
        """
        import os, sys, threading
        import sqznet
        path, over = sys.argv[1], False
        content = open(path, "rb").read()
        good = sqznet.load(path).fingerprint

        def spoil():
            while not over:
                os.truncate(path, 0)
                with open(path, "r+b") as file:
                    file.write(content)

        sys.setswitchinterval(1e-5)
        thread = threading.Thread(target=spoil)
        thread.start()
        outcomes = [0, 0]
        for _ in range(300):
            try:
                assert sqznet.load(path).fingerprint == good
                outcomes[0] += 1
            except sqznet.WeightsError as error:
                outcomes[1] += 1
        over = True
        thread.join()
        assert outcomes[1], outcomes
        assert sqznet.load(path).fingerprint == good
        """,
        str(file),
    )


def test_only_the_network_of_a_large_file_stays_in_memory(tmp_path: Path) -> None:
    torch_like = networks.tensors()
    alone = networks.save(tmp_path / "alone.safetensors", torch_like)
    rest = {"optimizer.state": networks.tensors()["features.0.weight"].repeat(5000, axis=0)}
    path = networks.save(tmp_path / "much.safetensors", {**torch_like, **rest})
    found = weights.read(path).tensors
    assert path.stat().st_size > 4 * alone.stat().st_size
    assert len({id(tensor.data.obj) for tensor in found.values()}) == len(found)
    assert sqznet.load(path).fingerprint == sqznet.load(alone).fingerprint
