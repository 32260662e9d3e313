"""Calls `sqznet classify` and reads its output files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sqznet.cli.columns import RowEach

from .commands import exit_code

#: `classify` with a network given.
Classify = Callable[..., int]

FORMATS = ["csv", "json", "jsonl", "parquet"]


def make_folder(tmp_path: Path) -> Path:
    """Five photos, the last in a sub-folder."""
    place = tmp_path / "photos"
    (place / "sub").mkdir(parents=True)
    for i in range(4):
        Image.radial_gradient("L").rotate(20 * i).save(place / f"{i}.png")
    Image.linear_gradient("L").save(place / "sub" / 'odd, "name".png')
    return place


def classify(*args: str | Path) -> int:
    return exit_code("classify", *args)


def rows(path: Path) -> list[tuple[str, Any, Any, Any, Any]]:
    """The rows of a file of any format."""
    if path.suffix == ".parquet":
        table = pytest.importorskip("pyarrow.parquet").read_table(path)
        assert tuple(table.column_names) == RowEach.names
        assert len(set(table.column("model").to_pylist())) <= 1
        return list(zip(*table.drop_columns(["model"]).to_pydict().values(), strict=True))
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as file:
            header, *found = csv.reader(file)
        assert tuple(header) == RowEach.names
        assert len({row[5] for row in found}) <= 1  # one model made them all
        return [
            (p, int(r), label, float(s), int(i)) if r else (p, None, None, None, None)
            for p, r, label, s, i, _ in found
        ]
    text = path.read_text(encoding="utf-8")
    photos = json.loads(text) if path.suffix == ".json" else map(json.loads, text.splitlines())
    flat: list[tuple[str, Any, Any, Any, Any]] = []
    for photo in photos:
        assert photo["model"].startswith("squeezenet1_1-")
        for rank, p in enumerate(photo["predictions"], start=1):
            flat.append((photo["path"], rank, p["label"], p["score"], p["index"]))
        if not photo["predictions"]:
            flat.append((photo["path"], None, None, None, None))
    return flat


def paths(path: Path) -> list[str]:
    return [row[0] for row in rows(path) if row[1] in (None, 1)]


def need(format_name: str) -> None:
    if format_name == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow")
