"""How the benchmark of decoding counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import decoding
from sqznet import weights


def test_both_files_have_the_same_weights(tmp_path: Path) -> None:
    one, other = map(weights.read, decoding.files(tmp_path).values())
    assert (one.format, other.format) == ("compressed", "safetensors")
    assert one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        assert tensor.data == other.tensors[name].data


def test_times_are_those_of_single_reads() -> None:
    found = decoding.timed(Path(weights.BUNDLED_PATH), runs=3)
    assert len(found) == 3
    assert min(found) > 0


def test_instructions_are_those_of_a_read_after_the_first() -> None:
    class Counter:
        def run(self, module: str, path: str, count: str) -> int:
            return 1_000_000 + 300 * int(count)

    counter: Any = Counter()
    assert decoding.counted(counter, Path("file")) == 300


def test_without_a_wheel_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(decoding, "CROSS", tmp_path)
    with pytest.raises(SystemExit, match=r"run scripts/cross\.sh aarch64 first"):
        decoding.main(["--cpu", "cortex-a53"])
