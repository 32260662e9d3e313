"""Conversions that fail: their messages, and that they leave nothing behind."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from sqznet import convert, weights
from sqznet.cli.main import main
from sqznet.errors import SqznetError, WeightsError
from sqznet.images.preprocessing import PRESETS

from ..support import networks
from ..support.convert_files import assert_same, source_file
from ..support.isolated import run_script


@pytest.mark.parametrize("name", ["out.txt", "out", "out.onnx.gz", ".npz", "out."])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SqznetError, match=r"\.safetensors, \.npz, \.pth, \.pt, \.onnx") as caught:
        convert(source_file(tmp_path), tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert os.listdir(tmp_path) == ["source.safetensors"]


def test_the_source_is_never_replaced(tmp_path: Path) -> None:
    source = source_file(tmp_path)
    before = source.read_bytes()
    (tmp_path / "link.safetensors").symlink_to(source)
    os.link(source, tmp_path / "hard.npz")
    for name in ("source.safetensors", "link.safetensors", "hard.npz"):
        with pytest.raises(SqznetError, match="is the file to convert"):
            convert(source, tmp_path / name)
    assert source.read_bytes() == before


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    source = source_file(tmp_path)
    target = tmp_path / "target.npz"
    target.write_text("old")
    (tmp_path / "link.npz").symlink_to(target)
    convert(source, tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert_same(source, target)
    assert sorted(os.listdir(tmp_path)) == ["link.npz", "source.safetensors", "target.npz"]


def test_the_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    convert(source_file(tmp_path), tmp_path / "target.npz")
    (tmp_path / "usual").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("target.npz", "usual")}
    assert len(modes) == 1


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, old: bytes | None
) -> None:
    source, target = source_file(tmp_path), tmp_path / "target.pth"
    if old:
        target.write_bytes(old)
    before = sorted(os.listdir(tmp_path))

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(WeightsError, match=r"target\.pth: cannot be written: No space left"):
        convert(source, target)
    assert sorted(os.listdir(tmp_path)) == before
    assert old is None or target.read_bytes() == old


def test_an_incomplete_write_leaves_nothing(tmp_path: Path) -> None:
    source = source_file(tmp_path)
    run_script(
        """
        import os, resource, sys
        from sqznet import WeightsError, convert
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            convert(sys.argv[1], sys.argv[2])
        except WeightsError as error:
            assert "cannot be written" in str(error), error
        else:
            raise AssertionError
        """,
        str(source),
        str(tmp_path / "target.onnx"),
    )
    assert os.listdir(tmp_path) == ["source.safetensors"]


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    source = source_file(tmp_path)
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "target.onnx")
    assert os.listdir(tmp_path) == ["source.safetensors"]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    source = source_file(tmp_path)
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    for name in ("folder.npz", "pipe.npz", "absent/target.npz", "zero\0.npz"):
        with pytest.raises(WeightsError, match=r"npz: cannot be written: "):
            convert(source, tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["folder.npz", "pipe.npz", "source.safetensors"]


def test_a_file_that_would_not_load_is_not_converted(tmp_path: Path) -> None:
    made = networks.tensors()
    small = json.dumps({**PRESETS["keras"].to_dict(), "size": [8, 8]})
    for metadata, match in (
        ({"labels": '["one"]'}, "7 classes, but there are 1 labels"),
        ({"variant": "squeezenet1_0"}, "holds a squeezenet1_1"),
        ({"preprocessing": small}, "too small"),
    ):
        source = networks.save(tmp_path / "source.safetensors", made, metadata)
        with pytest.raises(WeightsError, match=match) as caught:
            convert(source, tmp_path / "target.npz")
        assert str(source) in str(caught.value)
    (tmp_path / "source.safetensors").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match=r"source\.safetensors: "):
        convert(tmp_path / "source.safetensors", tmp_path / "target.npz")
    assert os.listdir(tmp_path) == ["source.safetensors"]


@pytest.mark.parametrize(
    ("wiring", "match"),
    [
        ({"conv1_padding": -1}, "conv1_padding is -1, expected 0 to"),
        ({"conv10_padding": 99}, "conv10_padding is 99, expected 0 to"),
        ({"conv10_padding": True}, "conv10_padding is True, expected an integer"),
        ({"conv10_padding": 1.0}, "conv10_padding is 1.0, expected an integer"),
        ({"ceil_mode": 1}, "ceil_mode is 1, expected true or false"),
        ({"softmax": None}, "softmax is None, expected true or false"),
        ({"padding": 1}, "unknown field 'padding', expected conv1_padding, "),
        ([], '"wiring" in the metadata is not a JSON object'),
        ("\ud800", '"wiring" in the metadata is not a JSON object'),
    ],
)
def test_invalid_wiring(tmp_path: Path, wiring: object, match: str) -> None:
    metadata = {"wiring": json.dumps(wiring)}
    path = networks.save(tmp_path / "source.safetensors", networks.tensors(), metadata)
    with pytest.raises(WeightsError, match=match):
        weights.read(path)


# --- The command -------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = source_file(tmp_path), tmp_path / "target.onnx"
    assert main(["convert", str(source), str(target)]) == 0
    out, err = capsys.readouterr()
    parameters = sum(array.size for array in networks.tensors().values())
    size = target.stat().st_size
    expected = f"{target}: onnx, squeezenet1_1, {parameters} parameters, {size} bytes\n"
    assert (out, err) == (expected, "")


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("source.safetensors", "target.txt", 2),
        ("source.safetensors", "source.safetensors", 2),
        ("absent.pth", "target.npz", 1),
        ("source.safetensors", "absent/target.npz", 1),
    ],
)
def test_errors_of_the_command_take_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, target: str, code: int
) -> None:
    source_file(tmp_path)
    assert main(["convert", str(tmp_path / source), str(tmp_path / target)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sqznet: ")
    assert err.count("\n") == 1
    assert str(tmp_path) in err
