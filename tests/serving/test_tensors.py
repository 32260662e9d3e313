"""Requests and answers of the Open Inference Protocol as bytes."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import numpy as np
import pytest

from sqznet.errors import SqznetError
from sqznet.serving import tensors

UINT8 = {"name": "image", "datatype": "UINT8", "shape": [1, 1, 2, 3]}
FP32 = {"name": "image", "datatype": "FP32", "shape": [1, 3, 1, 1]}
BYTES = {"name": "image", "datatype": "BYTES", "shape": [1]}


def request(tensor: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": [tensor], **more}).encode()


def read(text: bytes, blob: bytes = b"") -> tensors.Request:
    return tensors.read(text + blob, len(text), "image")


def binary(tensor: dict[str, Any], blob: bytes, **parameters: Any) -> tensors.Request:
    parameters = {"binary_data_size": len(blob), **parameters}
    return read(request({**tensor, "parameters": parameters}), blob)


def test_json_may_be_flat_or_nested() -> None:
    for data in ([1, 2, 3, 4, 5, 6], [[[[1, 2, 3], [4, 5, 6]]]]):
        images = read(request({**UINT8, "data": data})).images
        assert isinstance(images, np.ndarray)
        assert images.dtype == np.uint8
        assert images.tolist() == [[[[1, 2, 3], [4, 5, 6]]]]


def test_binary_tensors_follow_the_json() -> None:
    values = np.arange(3, dtype="<f4").reshape(1, 3, 1, 1)
    images = binary(FP32, values.tobytes()).images
    assert isinstance(images, np.ndarray)
    np.testing.assert_array_equal(images, values)


def test_files_are_base64_or_follow_their_lengths() -> None:
    file = b"\xff\xd8 a photo"
    assert read(request({**BYTES, "data": [base64.b64encode(file).decode()]})).images == [file]
    assert binary(BYTES, struct.pack("<I", len(file)) + file).images == [file]


def test_outputs_say_where_they_go() -> None:
    outputs = [
        {"name": "scores", "parameters": {"classification": 3}},
        {"name": "scores", "parameters": {"binary_data": False}},
    ]
    parameters = {"binary_data_output": True}
    text = request({**UINT8, "data": [0] * 6}, outputs=outputs, parameters=parameters, id="x")
    found = read(text)
    assert found.id == "x"
    assert found.wanted == [("scores", True, 3), ("scores", False, 0)]


DATA = {**UINT8, "data": [0] * 6}
WRONG = {
    "no JSON": (b"hello", "not valid JSON"),
    "not UTF-8": (b"\xff", "not valid JSON"),
    "deep": (b"[" * 100_000, "nested too deeply"),
    "a list": (b"[]", "expected a JSON object"),
    "no inputs": (b"{}", "inputs: found nothing"),
    "two inputs": (json.dumps({"inputs": [DATA, DATA]}).encode(), "2 inputs, expected one"),
    "another input": (request({**DATA, "name": "x"}), "no input 'x', expected 'image'"),
    "another type": (request({**DATA, "datatype": "INT64"}), "datatype is 'INT64'"),
    "a type that is a list": (request({**DATA, "datatype": []}), "datatype is a list"),
    "no shape": (request({"name": "image", "datatype": "UINT8"}), "shape: found nothing"),
    "a negative shape": (request({**DATA, "shape": [-1, 3]}), "whole numbers from 1 up"),
    "a true shape": (request({**DATA, "shape": [True]}), "whole numbers from 1 up"),
    "too many images": (request({**DATA, "shape": [65, 3]}), "65 images, expected at most 64"),
    "a vast shape": (request({**DATA, "shape": [1, 10**18, 10**18]}), "6 numbers, the shape"),
    "uneven": (request({**DATA, "data": [[1], [1, 2]]}), "nested unevenly"),
    "text": (request({**DATA, "data": ["a"] * 6}), "something else than numbers"),
    "fractions": (request({**DATA, "data": [0.5] * 6}), "something else than numbers"),
    "above 255": (request({**DATA, "data": [256] * 6}), "outside 0 to 255"),
    "an empty tensor": (request({**DATA, "data": []}), "something else than numbers"),
    "not finite": (request({**FP32, "data": [1e39, 0.5, 0]}), "not finite"),
    "NaN": (request({**FP32, "data": [float("nan"), 0, 0]}), "NaN is not allowed"),
    "no base64": (request({**BYTES, "data": ["*"]}), "base64"),
    "a number as a file": (request({**BYTES, "data": [1]}), "base64"),
    "two files for one": (request({**BYTES, "data": ["", ""]}), "2 files, expected the shape"),
    "no flag": (request(DATA, parameters={"binary_data_output": 1}), "expected true or false"),
    "an output without name": (request(DATA, outputs=[{}]), "the name of an output"),
    "a class count": (
        request(DATA, outputs=[{"name": "scores", "parameters": {"classification": "3"}}]),
        "classification is '3'",
    ),
    "an id": (request(DATA, id=3), "id is 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name: str) -> None:
    text, message = WRONG[name]
    with pytest.raises(SqznetError, match=message):
        read(text)


def test_a_cut_body_is_said() -> None:
    values = np.zeros(3, "<f4").tobytes()
    with pytest.raises(SqznetError, match=r"11 bytes, FP32 of shape \[1, 3, 1, 1\] has 12"):
        binary(FP32, values[:-1])
    with pytest.raises(SqznetError, match="binary_data_size is 12, 4 bytes follow"):
        binary(FP32, values[:4], binary_data_size=12)
    with pytest.raises(SqznetError, match="12 bytes follow the JSON, but no binary_data_size"):
        read(request({**FP32, "data": [0, 0, 0]}), values)
    with pytest.raises(SqznetError, match="ends within the length"):
        binary(BYTES, b"\1\0\0")
    with pytest.raises(SqznetError, match="an element of 9 bytes, but 1 are left"):
        binary(BYTES, struct.pack("<I", 9) + b"x")
    with pytest.raises(SqznetError, match="99 bytes of JSON are announced, the body has 2"):
        tensors.read(b"{}", 99, "image")


def test_answers_are_json_with_tensors_after_it() -> None:
    scores = np.array([[0.25, 0.75]], np.float32)
    best = tensors.classification(scores, ("cat", "dog"), 1)
    outputs = [
        tensors.Output("a", scores, True),
        tensors.Output("b", best, True),
        tensors.Output("c", scores, False),
        tensors.Output("d", best, False),
        tensors.Output("e", np.array([True]), False),
    ]
    content, length = tensors.write({"id": "x"}, outputs)
    assert length is not None
    described = json.loads(content[:length])
    assert described["id"] == "x"
    a, b, c, d, e = described["outputs"]
    assert a == {
        "name": "a",
        "datatype": "FP32",
        "shape": [1, 2],
        "parameters": {"binary_data_size": 8},
    }
    assert b["datatype"] == d["datatype"] == "BYTES"
    assert c["data"] == [0.25, 0.75]
    assert d["data"] == ["0.750000:1:dog"]
    assert e == {"name": "e", "datatype": "BOOL", "shape": [1], "data": [True]}
    assert content[length:] == scores.tobytes() + struct.pack("<I", 14) + b"0.750000:1:dog"
    assert tensors.write({}, outputs[2:3])[1] is None
