"""How the benchmark of small files counts."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks import compression
from benchmarks.material import MissingError
from sqznet.compression.encoding import Coded


def layer(largest: int) -> Coded:
    integers = np.full((3, 5), largest, np.int32)
    rows, columns = np.zeros(3, np.int32), np.zeros(5, np.int32)
    return Coded("conv", (3, 5, 1, 1), integers, rows, columns, np.zeros(3, np.float16))


def test_general_compressors_get_bytes_where_they_fit() -> None:
    sides = 3 + 5 + 2 * 3
    assert compression.general([layer(127)], lambda data: data) == sides + 15
    assert compression.general([layer(128)], lambda data: data) == sides + 30
    assert compression.general([layer(1)], zlib.compress) < sides + 15


def test_without_the_photos_it_says_what_is_absent(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"labels\.csv"):
        list(compression.measure(tmp_path, tmp_path))


def test_the_page_gets_a_row_for_each_point() -> None:
    point = compression.Point("1.1", "float32", 4_941_984, "66.4 / 86.4", 100.0, 0.0, 0.0)
    lines = compression.block([point]).splitlines()
    assert lines[1] == "| --- | --- | --: | --: | --: | --: |"
    assert lines[2] == "| 1.1 | float32 | 4,941,984 | 66.4 / 86.4 | 100.0 | 0.0000 +- 0.0000 |"
    assert compression.PICTURE.name in lines[-1]


def test_points_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    points = [
        compression.Point(network, name, 10**6, "60.0 / 80.0", 90.0, divergence, 0.001)
        for network in compression.SIZES
        for name, divergence in ((compression.OURS, 0.01), ("float32", 0.0), ("another", 0.0))
    ]
    compression.draw(points, tmp_path / "picture.svg")
    assert "sqznet compress" in (tmp_path / "picture.svg").read_text("utf-8")
