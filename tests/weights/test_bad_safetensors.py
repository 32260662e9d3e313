"""Damaged and hostile safetensors files: each gives WeightsError and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..support import torch_files as files
from ..support.weights_refusal import assert_refused


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


@pytest.mark.parametrize(
    ("header", "match"),
    [
        ({"a": entry(dtype="F31")}, "element type 'F31'"),
        ({"a": entry(dtype=[])}, "element type a list"),
        ({"a": entry(dtype="I32")}, "I32, expected"),
        ({"a": entry(shape=[3])}, "takes 12 bytes"),
        ({"a": entry(shape=[1 << 62, 4])}, "takes 73786976294838206464 bytes"),
        ({"a": entry(shape=[-2, -1])}, "dimensions"),
        ({"a": entry(shape=[2.0])}, "dimensions"),
        ({"a": entry(shape=[True, 2])}, "dimensions"),
        ({"a": entry(shape=2)}, "dimensions"),
        ({"a": entry(shape=[1] * 9)}, "dimensions"),
        ({"a": entry(data_offsets=[0])}, "data_offsets"),
        ({"a": entry(data_offsets=[8, 0])}, "data_offsets"),
        ({"a": entry(data_offsets=[-8, 0])}, "data_offsets"),
        ({"a": entry(data_offsets=[8, 16])}, "ends at byte 16"),
        ({"a": entry(shape=[1], data_offsets=[4, 8])}, "follows a gap"),
        ({"a": entry(shape=[1], data_offsets=[0, 4])}, "4 bytes at the end"),
        ({"a": entry(), "b": entry()}, "overlaps"),
        ({"a": entry(), "b": entry(shape=[1], data_offsets=[4, 8])}, "overlaps"),
        ({"a": entry(extra=1)}, "expected dtype, shape"),
        ({"a": [1]}, "expected dtype, shape"),
        ({"a": entry(), "__metadata__": {"x": 1}}, "strings to strings"),
        ({"a": entry(), "__metadata__": []}, "strings to strings"),
        ({"a": entry(), "__metadata__": {"preprocessing": "{"}}, "preprocessing: not valid"),
        ({"a": entry(), "__metadata__": {"preprocessing": "[]"}}, "not a JSON object"),
        ({"a": entry(), "__metadata__": {"preprocessing": "{}"}}, "preprocessing"),
        ({"a": entry(), "__metadata__": {"labels": '{"0": "cat"}'}}, "list of strings"),
        ({"a": entry(), "__metadata__": {"labels": "[1]"}}, "list of strings"),
        ({"a": entry(), "__metadata__": {"labels": "[" * 99999}}, "deeply|not valid"),
    ],
)
def test_safetensors_headers(tmp_path: Path, header: Any, match: str) -> None:
    assert_refused(tmp_path, files.safetensors_file(header, bytes(8)), match)


@pytest.mark.parametrize("value", [1 << 63, (1 << 64) - 1, 1 << 40, 500, 1])
def test_safetensors_header_lengths(tmp_path: Path, value: int) -> None:
    content = files.safetensors_file({"a": entry()}, bytes(8), length=value)
    assert_refused(tmp_path, content, "header")


@pytest.mark.parametrize(
    ("header", "match"),
    [
        (b'{"a": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}, "a": 1}', "'a' occurs twice"),
        (b'{"a": {"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', "twice"),
        (b'{"a": {"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', "NaN"),
        (b'{"a": {"dtype":"F32","shape":[1e400],"data_offsets":[0,8]}}', "dimensions"),
        (b'{"a": {"dtype":"F32","shape":[' + b"9" * 100_000 + b'],"data_offsets":[]}}', "digits"),
        (b'{"a": "\xff"}', "not valid JSON"),
        (b'{"a": ' + b"[" * 200_000, "nested too deeply|not valid"),
        (b'{"a": ' + b'{"a":' * 200_000, "nested too deeply|not valid"),
        (b'{"a": 1} x', "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"{" + b" " * (5 << 20), "bytes, expected"),
    ],
)
def test_safetensors_header_text(tmp_path: Path, header: bytes, match: str) -> None:
    assert_refused(tmp_path, files.safetensors_file(header, bytes(8)), match)


def test_messages_show_hostile_names_on_one_short_line(tmp_path: Path) -> None:
    header = json.dumps({"\x1b[2J\n\u202e" + "x" * 10_000: 1}).encode()
    assert assert_refused(tmp_path, files.safetensors_file(header)).isprintable()
