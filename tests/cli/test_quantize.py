"""`sqznet quantize`."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sqznet import weights

from ..support import networks
from ..support.commands import Run
from ..support.quantizable import small_file, some_photos


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, photo in enumerate(some_photos()):
        Image.fromarray(photo).save(folder / f"{i}.png")
    return folder


def test_it_writes_a_file_and_says_what_it_costs(tmp_path: Path, run: Run, photos: Path) -> None:
    source, target = small_file(tmp_path / "small.safetensors"), tmp_path / "int8.safetensors"
    code, out, err = run("quantize", source, photos, "-o", target, "--threads", "1")
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    size = target.stat().st_size
    assert first == f"{target}: {size} bytes, calibrated with 6 photos"
    assert second.startswith("on 2 other photos: 100.0 % have the same best class as in float32, ")
    assert weights.read(target).integers is not None


def test_weights_can_be_kept(tmp_path: Path, run: Run, photos: Path) -> None:
    source, target = small_file(tmp_path / "small.safetensors"), tmp_path / "both.safetensors"
    code, _, err = run("quantize", source, photos, "-o", target, "--keep-weights")
    assert (code, err) == (0, "")
    assert weights.read(target).tensors["features.0.weight"].dtype == "float32"


def test_an_unreadable_photo_is_left_out(tmp_path: Path, run: Run, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"no picture")
    source, target = small_file(tmp_path / "small.safetensors"), tmp_path / "int8.safetensors"
    code, out, err = run("quantize", source, photos, "-o", target)
    assert code == 1
    assert "calibrated with" in out
    assert err.count("\n") == 1
    assert "bad.jpg" in err


@pytest.mark.parametrize("name", ["int8.onnx", "int8"])
def test_another_format_is_refused_before_any_work(tmp_path: Path, run: Run, name: str) -> None:
    code, out, err = run("quantize", "absent", "absent", "-o", tmp_path / name)
    assert (code, out) == (2, "")
    assert err.endswith("expected a name that ends in .safetensors for the result\n")


def test_one_photo_is_too_few(tmp_path: Path, run: Run) -> None:
    source, target = small_file(tmp_path / "small.safetensors"), tmp_path / "int8.safetensors"
    Image.fromarray(networks.photo()).save(tmp_path / "one.png")
    code, out, err = run("quantize", source, tmp_path / "one.png", "-o", target)
    assert (code, out) == (1, "")
    assert "found 1, expected 2 or more" in err
    assert not target.exists()


def test_a_folder_that_is_missing_writes_nothing(tmp_path: Path, run: Run, photos: Path) -> None:
    source = small_file(tmp_path / "small.safetensors")
    target = tmp_path / "absent" / "int8.safetensors"
    code, out, err = run("quantize", source, photos, "-o", target)
    assert (code, out) == (1, "")
    assert "cannot be written" in err
