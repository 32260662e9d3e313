"""Reading .npz files: those from NumPy, and those that must be refused or survived."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sqznet import weights
from sqznet.images.preprocessing import PRESETS

from ..support import networks
from ..support import torch_files as files
from ..support.npz_files import HEADER, VALUES, archive, array_bytes, saved, small
from ..support.weights_refusal import assert_refused

Array = Any


def read(folder: Path, content: bytes) -> weights.Checkpoint:
    (folder / "weights").write_bytes(content)
    return weights.read(folder / "weights")


# --- Valid files -------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_saves_is_read(tmp_path: Path, save: Callable[..., None]) -> None:
    made = networks.tensors(bypass="complex")
    made["features.0.weight"] = made["features.0.weight"].astype("<f8")
    made["classifier.1.bias"] = made["classifier.1.bias"].astype("<f2")
    checkpoint = read(tmp_path, saved(made, save))
    assert checkpoint.format == "npz"
    assert checkpoint.metadata == {}
    assert checkpoint.variant is None
    assert checkpoint.preprocessing == PRESETS["torchvision"]
    assert checkpoint.reasons["preprocessing"] == "the default for npz files"
    assert checkpoint.tensors.keys() == made.keys()
    for name, array in made.items():
        tensor = checkpoint.tensors[name]
        assert (tensor.dtype, tensor.shape) == (array.dtype.name, array.shape)
        assert bytes(tensor.data) == array.tobytes()


def test_stored_arrays_are_not_copied(tmp_path: Path) -> None:
    checkpoint = read(tmp_path, saved(small()))
    assert all(tensor.data.readonly for tensor in checkpoint.tensors.values())
    owners = {id(tensor.data.obj) for tensor in checkpoint.tensors.values()}
    assert len(owners) == 1  # the mapping


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_fortran_order_is_converted(tmp_path: Path, save: Callable[..., None]) -> None:
    array = np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4))
    tensor = read(tmp_path, saved({"a": array}, save)).tensors["a"]
    assert tensor.shape == (2, 3, 4)
    assert bytes(tensor.data) == array.tobytes(order="C")


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0), (1,) * 8])
def test_shapes_of_any_kind(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.full(shape, 2.5, "<f4")
    tensor = read(tmp_path, saved({"a": array})).tensors["a"]
    assert (tensor.shape, bytes(tensor.data)) == (shape, array.tobytes())


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        "{'descr':'<f4','fortran_order':False,'shape':(2,3)}",
        '{"shape": (2, 3,), "fortran_order": False, "descr": "<f4"}\n',
        HEADER + " " * 60 + "\n",
    ],
)
def test_headers_as_other_programs_write_them(tmp_path: Path, header: str, version: int) -> None:
    content = archive({"a.npy": array_bytes(header, version=version)})
    tensor = read(tmp_path, content).tensors["a"]
    assert (tensor.shape, bytes(tensor.data)) == ((2, 3), VALUES.tobytes())


def test_counters_and_prefixes_are_removed(tmp_path: Path) -> None:
    made = networks.tensors()
    arrays = {f"module.{name}": array for name, array in made.items()}
    arrays["module.a.num_batches_tracked"] = np.array(7)
    assert set(read(tmp_path, saved(arrays)).tensors) == set(made)


# --- Files to refuse ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.array([object()], object), "holds pickled objects"),
        (np.array([1, 2], "<i8"), "has type '<i8', expected one of <f2, <f4, <f8"),
        (np.array([1.5], ">f4"), "has type '>f4'"),
        (np.array(["text"]), "has type '<U4'"),
        (np.array([1j]), "has type '<c16'"),
        (np.zeros(2, [("a", "<f4")]), "expected that of a plain array"),
    ],
)
def test_arrays_that_are_not_weights(tmp_path: Path, array: Array, match: str) -> None:
    assert_refused(tmp_path, saved({"features.0.weight": array}), match)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (array_bytes(HEADER.replace("(2, 3)", "(2, 4)")), "has 24 bytes, expected 32"),
        (array_bytes(HEADER.replace("(2, 3)", "(" + "9" * 19 + ", 3)")), "has 24 bytes, expected"),
        (array_bytes(HEADER.replace("(2, 3)", "(" + "9" * 20 + ", 3)")), "has the shape"),
        (array_bytes(HEADER.replace("(2, 3)", "(" + "1," * 9 + ")")), "has the shape"),
        (array_bytes(HEADER.replace("(2, 3)", "(2 3,)")), "has the shape"),
        (array_bytes(HEADER.replace("(2, 3)", "(,)")), "has the shape"),
        (array_bytes(HEADER.replace("(2, 3)", "(-2, 3)")), "expected that of a plain array"),
        (array_bytes(HEADER.replace("(2, 3)", "(True, 6)")), "expected that of a plain array"),
        (array_bytes(HEADER.replace("False", "0")), "expected that of a plain array"),
        (array_bytes(HEADER.replace("'<f4'", "exit()")), "expected that of a plain array"),
        (array_bytes(HEADER + "exit()"), "expected that of a plain array"),
        (array_bytes("{'descr': '<f4', 'shape': (2, 3)}"), "expected that of a plain array"),
        (array_bytes("(" * 5000), "expected that of a plain array"),
        (array_bytes("{" + "'descr': '<f4', " * 600), "expected that of a plain array"),
        (array_bytes(" " * 10_001), "should have a header of 10001 bytes"),
        (array_bytes(version=4), "expected a NumPy array"),
        (array_bytes()[:7], "expected a NumPy array"),
        (array_bytes()[:9], "should have a header of"),
        (array_bytes()[:40], "should have a header of"),
        (b"", "expected a NumPy array"),
        (b"\x80\x02cos\nsystem\n.", "expected a NumPy array"),
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_arrays(tmp_path: Path, content: bytes, match: str, compression: int) -> None:
    assert_refused(tmp_path, archive({"a.npy": content}, compression), match)


@pytest.mark.parametrize("name", ["../a.npy", "/a.npy", "b/../../a.npy", "..\\a.npy"])
def test_names_that_point_outside(tmp_path: Path, name: str) -> None:
    content = archive({"a.npy": array_bytes(), name: array_bytes()})
    assert_refused(tmp_path, content, "points outside it")


def test_an_entry_that_is_not_an_array(tmp_path: Path) -> None:
    content = archive({"a.npy": array_bytes(), "data.pkl": b"x"})
    assert_refused(tmp_path, content, "'data.pkl' is not an array")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(tmp_path: Path, compression: int) -> None:
    content = archive({"a.npy": array_bytes()}, compression)
    assert_refused(tmp_path, content, "compressed in a way other than deflate")


def test_an_entry_that_would_fill_the_memory(tmp_path: Path) -> None:
    content = archive({"a.npy": bytes(60 << 20)}, zipfile.ZIP_DEFLATED)
    assert len(content) < 100_000
    assert_refused(tmp_path, content, "far too much for a SqueezeNet")


def test_many_entries_that_would_together_fill_the_memory(tmp_path: Path) -> None:
    zeros = array_bytes(HEADER.replace("(2, 3)", "(3, 1000000)"), bytes(12_000_000))
    content = archive({f"{i}.npy": zeros for i in range(5)}, zipfile.ZIP_DEFLATED)
    assert_refused(tmp_path, content, "'4.npy' of .* far too much for a SqueezeNet")


def with_sizes(content: bytes, size: int) -> bytes:
    """An archive with one deflated entry that has another uncompressed size in both headers."""
    changed = bytearray(content)
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = changed.index(magic) + offset
        changed[place : place + 4] = size.to_bytes(4, "little")
    return bytes(changed)


@pytest.mark.parametrize("size", [0, 1, 90, 1000, 100_000])
def test_an_entry_with_another_size_than_stated(tmp_path: Path, size: int) -> None:
    content = archive({"a.npy": array_bytes(data=bytes(9000))}, zipfile.ZIP_DEFLATED)
    assert_refused(tmp_path, with_sizes(content, size), "does not expand to|far too much")


def test_one_entry_listed_many_times(tmp_path: Path) -> None:
    """Entries that share their bytes must not be copied without limit."""
    header = HEADER.replace("(2, 3)", "(1000, 1000)").replace("False", "True")
    one = archive({"00.npy": array_bytes(header, bytes(4_000_000))})
    begin = one.index(b"PK\x01\x02")
    end = one.index(b"PK\x05\x06")
    record = one[begin:end]
    records = b"".join(record.replace(b"00.npy", b"%02d.npy" % i) for i in range(60))
    tail = bytearray(one[end:])
    tail[8:12] = (60).to_bytes(2, "little") * 2
    tail[12:16] = len(records).to_bytes(4, "little")
    assert_refused(tmp_path, one[:begin] + records + tail, "too large to convert")


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.array("{"), "__metadata__: not valid JSON"),
        (np.array("[]"), "must map strings to strings"),
        (np.array('{"labels": ["a"]}'), "must map strings to strings"),
        (np.array('{"labels": "{}"}'), "not a JSON list of strings"),
        (np.array(['{"variant": "squeezenet1_1"}']), "expected one string"),
        (np.array(b"{}"), "expected one string"),
        (np.array(1.5), "expected one string"),
        (np.array(json.dumps({"a": "b" * (5 << 20)})), "expected 16777216 at most"),
    ],
)
def test_invalid_metadata(tmp_path: Path, array: Array, match: str) -> None:
    assert_refused(tmp_path, saved({"a": VALUES, "__metadata__": array}), match)


def test_metadata_that_are_not_text(tmp_path: Path) -> None:
    header = "{'descr': '<U2', 'fortran_order': False, 'shape': (), }"
    for data, match in ((b"\xff" * 8, "not text"), (b"{\0\0\0", "cut short")):
        content = archive({"a.npy": array_bytes(), "__metadata__.npy": array_bytes(header, data)})
        assert_refused(tmp_path, content, match)


def test_a_torch_archive_is_still_recognized(tmp_path: Path) -> None:
    assert read(tmp_path, files.small_zip()).format == "torch"
