"""`sqznet compress`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from sqznet import weights
from sqznet.cli.compress import size

from ..support import detectors
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
    source, target = small_file(tmp_path / "small.safetensors"), tmp_path / "small.sqz"
    code, out, err = run("compress", source, photos, "-o", target, "--threads", "1")
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first == f"{target}: {target.stat().st_size} bytes, calibrated with 6 photos"
    assert re.fullmatch(
        r"on 2 other photos: \d+\.\d % have the same best class as before, "
        r"KL divergence \d\.\d{4}, top-1 [+-]\d+\.\d % by the network's own probabilities",
        second,
    )
    assert weights.read(target).format == "compressed"


def test_a_detector(tmp_path: Path, run: Run, photos: Path) -> None:
    source, target = detectors.save(tmp_path / "d.safetensors"), tmp_path / "small.sqz"
    code, out, err = run("compress", source, photos, "-o", target, "--size", "8kB")
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first == f"{target}: {target.stat().st_size} bytes, calibrated with 6 photos"
    assert re.fullmatch(
        r"on 2 other photos: \d+\.\d % of the boxes are as before, "
        r"KL divergence \d+\.\d{3} a photo",
        second,
    )
    assert 7900 < target.stat().st_size <= 8000
    code, _, err = run("detect", photos / "1.png", "--model", target)
    assert (code, err) == (0, "")


def test_options_of_classifiers_are_refused_for_a_detector(
    tmp_path: Path, run: Run, photos: Path
) -> None:
    source, target = detectors.save(tmp_path / "d.safetensors"), tmp_path / "small.sqz"
    code, out, err = run("compress", source, photos, "-o", target, "--conv10-relu", "no")
    assert (code, out) == (2, "")
    assert "is a detector, which takes no --conv10-relu" in err
    assert not target.exists()


@pytest.mark.parametrize("text", ["4.5kB", "4500", "4.39453125KiB"])
def test_a_size_is_a_number_of_bytes(text: str) -> None:
    assert size(text) == 4500


def test_a_size_is_kept(tmp_path: Path, run: Run, photos: Path) -> None:
    source, target = small_file(tmp_path / "small.safetensors"), tmp_path / "small.sqz"
    code, _, err = run("compress", source, photos, "-o", target, "--size", "4.5kB")
    assert (code, err) == (0, "")
    assert 4300 < target.stat().st_size <= 4500


def test_a_size_that_cannot_be_reached_writes_nothing(
    tmp_path: Path, run: Run, photos: Path
) -> None:
    source, target = small_file(tmp_path / "small.safetensors"), tmp_path / "small.sqz"
    code, out, err = run("compress", source, photos, "-o", target, "--size", "900")
    assert (code, out) == (1, "")
    assert "the size of 900 bytes cannot be reached" in err
    assert not target.exists()


def test_an_unreadable_photo_is_left_out(tmp_path: Path, run: Run, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"no picture")
    source, target = small_file(tmp_path / "small.safetensors"), tmp_path / "small.sqz"
    code, out, err = run("compress", source, photos, "-o", target)
    assert code == 1
    assert "calibrated with" in out
    assert err.count("\n") == 1
    assert "bad.jpg" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "small.onnx"), "expected a name that ends in .sqz for the result"),
        (("-o", "small.sqz", "--size", "small"), "expected a size such as 0.65MB, found 'small'"),
        (("-o", "small.sqz", "--size", "-3"), "expected a size such as 0.65MB, found '-3'"),
        (("-o", "small.sqz", "--size", "1MB", "--quality", "1"), "not allowed with argument"),
    ],
)
def test_a_wrong_command_line_is_refused_before_any_work(
    run: Run, options: tuple[str, ...], message: str
) -> None:
    code, out, err = run("compress", "absent", "absent", *options)
    assert (code, out) == (2, "")
    assert message in err
