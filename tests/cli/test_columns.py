"""`sqznet classify --columns one-row`: a row for each photo."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet import Prediction
from sqznet.cli.columns import OneRow, RowEach

from ..support.answer_files import Classify, make_folder, need
from ..support.commands import Run
from ..support.places import CHELSEA, COFFEE

TWO = ("path", "label_1", "score_1", "index_1", "label_2", "score_2", "index_2", "model")


def table(path: Path) -> tuple[tuple[str, ...], list[list[Any]]]:
    """The names of the columns and the rows, with None where there is nothing."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        found = parquet.read_table(path)
        return tuple(found.column_names), [list(row.values()) for row in found.to_pylist()]
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return tuple(header), [[cell or None for cell in row] for row in rows]


def test_a_row_has_all_predictions() -> None:
    columns = OneRow(2)
    cup, pan = Prediction("cup", 0.75, 3), Prediction("pan", 0.123456789, 5)
    assert columns.names == TWO
    assert columns.rows("a.jpg", [cup, pan], "m") == [
        ["a.jpg", "cup", 0.75, 3, "pan", 0.1234568, 5, "m"]
    ]
    assert columns.rows("a.jpg", [cup], "m") == [["a.jpg", "cup", 0.75, 3, "", "", "", "m"]]
    assert columns.rows("a.jpg", [], "m") == [["a.jpg", *[""] * 6, "m"]]


def test_both_name_a_photo_once() -> None:
    cup, pan = Prediction("cup", 0.75, 3), Prediction("pan", 0.1, 5)
    for columns in (RowEach(), OneRow(2)):
        for predictions in ([], [cup], [cup, pan]):
            rows = columns.rows("a.jpg", predictions, "m")
            assert [columns.is_first(row) for row in rows].count(True) == 1
            assert {len(row) for row in rows} == {len(columns.names)}


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_files(tmp_path: Path, small: Path, classify: Classify, format_name: str) -> None:
    need(format_name)
    target = tmp_path / f"out.{format_name}"
    photos = (CHELSEA, COFFEE)
    assert classify(*photos, "--top", "2", "--columns", "one-row", "-o", target) == 0
    names, rows = table(target)
    assert names == TWO
    answers = sqznet.load(small).classify(photos, top=2)
    for row, photo, (one, other) in zip(rows, photos, answers, strict=True):
        assert [row[0], row[1], row[4]] == [str(photo), one.label, other.label]
        assert float(row[2]) == pytest.approx(one.score, rel=1e-6)
        assert [int(row[3]), int(row[6])] == [one.index, other.index]
    assert classify(*photos, "--min-score", "1", "--columns", "one-row", "-o", target) == 0
    _, rows = table(target)
    assert [row[1:-1] for row in rows] == [[None] * 15] * 2


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_resume(tmp_path: Path, classify: Classify, format_name: str) -> None:
    need(format_name)
    folder, options = make_folder(tmp_path), ("--top", "2", "--columns", "one-row")
    whole, target = (tmp_path / f"{name}.{format_name}" for name in ("whole", "out"))
    assert classify(folder, *options, "-o", whole) == 0
    assert classify(folder / "0.png", folder / "1.png", *options, "-o", target) == 0
    for _ in range(2):
        assert classify(folder, *options, "-o", target, "--resume") == 0
        assert table(target) == table(whole)
    before = target.read_bytes()
    assert classify(folder, "--top", "2", "-o", target, "--resume") == 1  # with other columns
    assert classify(folder, "--top", "3", *options[2:], "-o", target, "--resume") == 1
    assert target.read_bytes() == before


def test_a_file_that_was_cut_in_a_row(tmp_path: Path, classify: Classify) -> None:
    folder, options = make_folder(tmp_path), ("--top", "2", "--columns", "one-row")
    whole, target = tmp_path / "whole.csv", tmp_path / "out.csv"
    assert classify(folder, *options, "-o", whole) == 0
    part = tmp_path / "out.csv.part"
    part.write_bytes(whole.read_bytes()[:-30])
    assert classify(folder, *options, "-o", target, "--resume") == 0
    assert target.read_bytes() == whole.read_bytes()


def test_no_more_columns_than_answers(small: Path, run: Run) -> None:
    options = ("--model", small, "--format", "csv", "--columns", "one-row", "--top", "5000")
    code, out, _ = run("classify", COFFEE, *options)
    assert code == 0
    header, row = csv.reader(io.StringIO(out))
    assert len(header) == len(row) == 2 + 3 * sqznet.load(small).num_classes


@pytest.mark.parametrize("format_name", ["table", "json", "jsonl"])
def test_other_formats_have_no_columns(run: Run, format_name: str) -> None:
    code, out, err = run("classify", COFFEE, "--columns", "one-row", "--format", format_name)
    assert (code, out) == (2, "")
    assert err == f"sqznet: --columns is for csv and parquet, not for {format_name}\n"
