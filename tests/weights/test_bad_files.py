"""Damaged, hostile and wrong files given as weights: each gives WeightsError and nothing else."""

from __future__ import annotations

import errno
import itertools
import os
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.weights import mapped

from ..support import torch_files as files
from ..support.weights_refusal import assert_refused, limited


def one_tensor(**changes: Any) -> bytes:
    arguments: dict[str, Any] = {"storage": "FloatStorage", "key": "0", "count": 6, "shape": (2, 3)}
    arguments |= changes
    state = {"features.0.weight": files.tensor(**arguments)}
    return files.zip_file(state, {"0": (6, bytes(24))})


# Not a weights file


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (b"\x80", "cut short"),
        (b"P", "begins with"),
        (b"PK\x03\x04", "zip archive"),
        (b"PK\x05\x06" + bytes(18), "empty zip"),
        (b"just some text, named as weights\n" * 9, "begins with b'just some text"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "JPEG"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b'name: "SqueezeNet"\nlayer {}\n', "prototxt"),
        (bytes(4096), "begins with"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, match: str) -> None:
    assert_refused(tmp_path, content, match)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.pth.*No such file"):
        weights.read(tmp_path / "absent.pth")


def test_a_file_far_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.h5"
    with path.open("wb") as file:
        file.write(b"\x89HDF")
        file.truncate(3 << 30)
    with pytest.raises(WeightsError, match=r"large\.h5: has 3221225472 bytes, far more than any"):
        weights.read(path)


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="directory"):
        weights.read(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError, match="regular"):
        weights.read(tmp_path / "pipe")


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "secret.pth").write_bytes(files.small_zip())
    # Removing the permission would not affect a test that runs as root.
    monkeypatch.setattr(mapped, "open", refuse, raising=False)
    with pytest.raises(WeightsError, match=r"secret\.pth.*Permission denied"):
        weights.read(tmp_path / "secret.pth")


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "x" * 5000, ""])
def test_impossible_names(path: str) -> None:
    with pytest.raises(WeightsError) as caught:
        weights.read(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("path", [None, 3, 1.5, [], object()])
def test_what_is_not_a_path(path: Any) -> None:
    with pytest.raises(WeightsError, match="expected the path"):
        weights.read(path)


# Pickles that try to do something


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("numpy", "load"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("collections", "OrderedDict.__class__"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch", "FloatStorage.__init__"),
        ("", ""),
    ],
)
def test_nothing_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, attribute: str, legacy: bool
) -> None:
    called: list[str] = []
    monkeypatch.setattr(os, "system", lambda command: called.append(command))
    witness = tmp_path / "witness"
    state, storages = files.parts(files.TENSORS, legacy=legacy)
    command = f"__import__('pathlib').Path({str(witness)!r}).touch()"
    evil = files.call(module, attribute, command)
    make = files.legacy_file if legacy else files.zip_file
    loaded = set(sys.modules)
    path = tmp_path / "beside.pth"
    path.write_bytes(make({**state, "x": evil}, storages))
    assert set(weights.read(path).tensors) == set(files.TENSORS)
    assert_refused(tmp_path, make({"features.3.squeeze.weight": evil}, {}), "torch.save")
    assert not called
    assert not witness.exists()
    assert not {"numpy", "torch"} & (set(sys.modules) - loaded)


@pytest.mark.parametrize("position", range(3))
def test_nothing_is_called_by_the_pickles_around_a_legacy_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    called: list[str] = []
    monkeypatch.setattr(os, "system", lambda command: called.append(command))
    evil = files.call("os", "system", "true")
    arguments: dict[str, Any] = [{"magic": evil}, {"protocol": evil}, {"little": evil}][position]
    state, storages = files.parts(files.TENSORS, legacy=True)
    assert_refused(tmp_path, files.legacy_file(state, storages, **arguments))
    assert not called


@pytest.mark.parametrize(
    "program",
    [
        b"r\xff\xff\xff\x7f",  # LONG_BINPUT with an empty stack
        b"Nr\xff\xff\xff\x7f",  # with this memo index, the standard unpickler takes gigabytes
        b"X\xff\xff\xff\x7f",  # a string of two gigabytes
        b"\x8d" + b"\xff" * 7 + b"\x7f",
        b"B\xff\xff\xff\x7f",
        b"\x8e" + b"\xff" * 7 + b"\x7f",
        b"\x95" + b"\xff" * 8,  # a frame of 2**64 - 1 bytes
        b"\x8b\xff\xff\xff\x7f",
        b"N" * 150_000,
        b"]" * 150_000 + b"a" * 149_999,
        b"(" * 150_000,
        b"(" * 150_000 + b"t" * 149_999,
        b")" + b"\x85" * 150_000,
        b"N\x94" * 100_000,
        b")" + b"2\x86" * 100_000 + b"}" + b"2\x86",
        b"}" + b")" + b"2\x86" * 60 + b"Ns",  # hashing this key would take 2**60 steps
        b"}\x8a\xff" + b"\x7f" * 255 + b"Ns",
        b"a", b"e", b"s", b"u", b"t", b"0", b"1", b"R", b"b", b"h\x07", b"Q", b"NNR", b"N)R",
        b"NQ", b"NNb", b"NNa", b"NNNs", b"N(NNu", b"cos", b"\x8c\x02os", b"X\x01\0\0\0\xff",
        b"i", b"o", b"(o", b"P1\n", b"I1\n", b"\x81", b"\x92", b"\x82\x01", b"\x97", b"\xff", b"",
        b"Ix\n", b"L" + b"9" * 5000 + b"L\n", b"gx\n", b"p", b"c" + b"x" * 500_000, b"G" * 8,
        b"V" + b"\\" * 200_000 + b"\n", b"\x90", b"(\x90", b"\x91",
        b"ca\nb\n)R" * 150_000,
        b"(" + b"ca\nb\n" * 200_000 + b"l",
        b"}" + b"ca\nb\n)RNs" * 100_000,
        b"N0" * 500_000,
        b"J\xff\xff\xff\x7f" * 700_000,
        b"]2a" * 300_000,  # a list in itself
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_hostile_programs(tmp_path: Path, program: bytes) -> None:
    pickled = files.Raw(program)
    assert_refused(tmp_path, files.zip_file(pickled, {}))


def test_calls_do_not_multiply_the_content(tmp_path: Path) -> None:
    """A long list or tuple that is passed repeatedly must not cost its length each time."""
    pairs = b"](" + b"(X\x01\0\0\0aNt" * 9_000 + b"eq\x01"
    make = b"ccollections\nOrderedDict\nq\x02"
    size = b"ctorch\nSize\nq\x03"
    numbers = b"(" + b"K\x01" * 50_000 + b"tq\x04"
    for program in (
        pairs + make + b"h\x02h\x01\x85R" * 20_000,
        numbers + size + b"h\x03h\x04\x85R" * 20_000,
        numbers + make + b"h\x02h\x04R" * 20_000,
    ):
        assert_refused(tmp_path, files.zip_file(files.Raw(program), {}))


@pytest.mark.parametrize("make", [files.zip_file, files.legacy_file])
def test_long_pickles(tmp_path: Path, make: Callable[..., bytes]) -> None:
    state, storages = files.parts(files.TENSORS, legacy=make is files.legacy_file)
    losses = b"](" + b"G?\0\0\0\0\0\0\0" * 1_000_000 + b"e"
    state |= {"note": "x" * 2_000_000, "losses": files.Raw(losses)}
    path = tmp_path / "long.pth"
    path.write_bytes(make(state, storages))
    with limited():
        assert set(weights.read(path).tensors) == set(files.TENSORS)
    state["losses"] = files.Raw(b"](" + b"]" * 510_000 + b"e")
    assert_refused(tmp_path, make(state, storages), "take more than 96 MiB; save the weights alone")
    state["losses"] = files.Raw(b"N0" * 350_000 + b"N")
    assert_refused(tmp_path, make(state, storages), "operations; save the weights alone")


@pytest.mark.parametrize("content", [None, 3, "text", [], {}, {"a": 1}, {"state_dict": {"a": 1}}])
def test_what_is_not_a_state_dict(tmp_path: Path, content: Any) -> None:
    assert_refused(tmp_path, files.zip_file(content, {}), r"model\.state_dict\(\)")


def test_far_too_many_tensors(tmp_path: Path) -> None:
    state, storages = files.parts(files.TENSORS)
    kept = files.tensor("FloatStorage", "0", 6, (6,)).opcodes + b"r\0\1\0\0"
    state["losses"] = files.Raw(b"](" + kept + b"j\0\1\0\0" * 30_000 + b"e")
    assert_refused(tmp_path, files.zip_file(state, storages), "more than 20000 tensors")


# Tensors that do not match


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"shape": (2, 4)}, "reaches element 7"),
        ({"shape": (2, 3), "offset": 1}, "reaches element 6"),
        ({"shape": (2, 3), "strides": (4, 1)}, "reaches element 6"),
        ({"shape": (2, 3), "strides": (3, -1)}, "an invalid tensor"),
        ({"shape": (2, 3), "strides": (3,)}, "an invalid tensor"),
        ({"shape": (-2, -3)}, "an invalid tensor"),
        ({"shape": (2, 3), "offset": -1}, "an invalid tensor"),
        ({"shape": (1 << 62, 4)}, "an invalid tensor"),
        ({"shape": (1 << 40, 1 << 40)}, "reaches|an invalid tensor"),
        ({"shape": (10**9,), "strides": (0,)}, "views a storage of 6"),
        ({"shape": (1,) * 9}, "an invalid tensor"),
        ({"shape": (True, 3)}, "an invalid tensor"),
        ({"count": 7}, "expected 7 float32"),
        ({"count": -6}, "an invalid tensor"),
        ({"count": 1 << 62}, "an invalid tensor"),
        ({"storage": "HalfStorage"}, "expected 6 float16"),
        ({"storage": "QInt8Storage"}, "has element type qint8"),
        ({"key": "../0"}, "no storage"),
        ({"key": "9"}, "no storage"),
    ],
)
def test_tensors_beyond_their_storage(tmp_path: Path, changes: Any, match: str) -> None:
    assert_refused(tmp_path, one_tensor(**changes), match)


def test_integer_weights(tmp_path: Path) -> None:
    state = {"features.0.weight": files.tensor("LongStorage", "0", 3, (3,))}
    assert_refused(tmp_path, files.zip_file(state, {"0": (3, bytes(24))}), "int64")


def test_copies_of_strided_tensors_are_bounded(tmp_path: Path) -> None:
    count = 64 * 64
    state = {
        f"w{index}": files.tensor("FloatStorage", "0", count, (64, 64), (1, 64))
        for index in range(1000)
    }
    assert_refused(tmp_path, files.zip_file(state, {"0": (count, bytes(4 * count))}), "share")


# Archives


@pytest.mark.parametrize("entry", ["../evil", "net/../../evil", "/etc/evil", "net\\..\\evil"])
def test_archives_that_point_outside(tmp_path: Path, entry: str) -> None:
    content = files.zip_file(*files.parts(files.TENSORS), extra={entry: b"x"})
    assert_refused(tmp_path, content, "outside")


def test_compressed_archives(tmp_path: Path) -> None:
    state, storages = files.parts(files.TENSORS)
    storages["bomb"] = (1, bytes(50_000_000))
    content = files.zip_file(state, storages, compression=zipfile.ZIP_DEFLATED)
    assert_refused(tmp_path, content, "compressed")


def test_sizes_that_the_archive_only_claims(tmp_path: Path) -> None:
    content = bytearray(files.small_zip())
    at = content.rfind(b"PK\x01\x02", 0, content.rfind(b"net/data/0"))
    content[at + 20 : at + 28] = struct.pack("<II", 1 << 31, 1 << 31)
    assert_refused(tmp_path, bytes(content), "should have 2147483648 bytes")


def test_damaged_weights_are_detected(tmp_path: Path) -> None:
    content = files.small_zip()
    at = content.find(files.packed("FloatStorage", [2.0, 3.25]))
    changed = content[:at] + b"\xff" + content[at + 1 :]
    assert_refused(tmp_path, changed, "checksum")


def test_big_endian_files(tmp_path: Path) -> None:
    big = files.zip_file(*files.parts(files.TENSORS), byteorder=b"big")
    assert_refused(tmp_path, big, "big-endian")
    big = files.legacy_file(*files.parts(files.TENSORS, legacy=True), little=False)
    assert_refused(tmp_path, big, "big-endian")


def test_torchscript(tmp_path: Path) -> None:
    content = files.zip_file(*files.parts(files.TENSORS), extra={"net/constants.pkl": b"x"})
    assert_refused(tmp_path, content, "TorchScript")


def test_archives_of_something_else(tmp_path: Path) -> None:
    content = files.zip_file(*files.parts(files.TENSORS), extra={"word/document.xml": b"x"})
    assert_refused(tmp_path, content, r"without a data\.pkl")


def test_entries_that_occur_twice(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        content = files.zip_file(*files.parts(files.TENSORS), extra={"net/data/0": b"x"})
    assert_refused(tmp_path, content, "twice")


# The legacy format


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda state, data: files.legacy_file(state, data, magic=7), "not from torch.save"),
        (lambda state, data: files.legacy_file(state, data, protocol=1000), "1000, expected 1001"),
        (lambda state, data: files.legacy_file(state, data) + b"x", "1 bytes at the end"),
        (lambda state, data: files.legacy_file(state, {"9": (1, bytes(4))}), "an unexpected '9'"),
        (lambda state, data: files.legacy_file(state, {}), "lacks '0'"),
        (lambda state, data: files.legacy_file(state, data | {"0": (5, bytes(24))}), "begins with"),
    ],
)
def test_legacy_files_that_contradict_themselves(
    tmp_path: Path, make: Callable[[Any, Any], bytes], match: str
) -> None:
    assert_refused(tmp_path, make(*files.parts(files.TENSORS, legacy=True)), match)


def test_legacy_storages_that_are_views(tmp_path: Path) -> None:
    identity = ("storage", files.name("torch", "FloatStorage"), "0", "cpu", 6, ("1", 0, 6))
    state = {"a": files.Raw(files.opcodes(identity) + b"Q")}
    assert_refused(tmp_path, files.legacy_file(state, {"0": (6, bytes(24))}), "views of others")


def test_a_truncated_file_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_DATA", str(tmp_path))
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.imagenet_labels()
    (tmp_path / "imagenet_classes.txt").write_text("tench\n")
    with pytest.raises(WeightsError, match="1 lines, expected 1000"):
        weights.imagenet_labels()


def test_messages_show_hostile_names_on_one_short_line(tmp_path: Path) -> None:
    name = "\x1b[2J\n\u202e" + "x" * 10_000
    state = {name: 3, **files.parts(files.TENSORS)[0]}
    assert assert_refused(tmp_path, files.zip_file(state, {})).isprintable()
