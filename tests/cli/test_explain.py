"""The command `sqznet explain`: the file it writes, and its errors."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet.insight.explain import draw

from ..support import networks
from ..support.commands import Run
from ..support.patterns import quarters
from ..support.places import CHELSEA, COFFEE


def assert_one_line(err: str, *parts: str) -> None:
    assert err.count("\n") == 1, err
    assert err.startswith("sqznet: ")
    assert err[:-1].isprintable()
    for part in parts:
        assert part in err


@pytest.mark.usefixtures("draws_text")
def test_a_picture(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    out.write_text("old")
    code, said, err = run("explain", COFFEE, "-o", out)
    picture, box = draw(sqznet.load(), COFFEE)
    assert (code, err) == (0, "")
    assert box is not None
    assert said == (
        f"{out}: espresso {100 * box.score:.2f} %, "
        f"columns {box.x0} to {box.x1}, rows {box.y0} to {box.y1}\n"
    )
    with Image.open(out) as written:
        assert written.format == "PNG"
        np.testing.assert_array_equal(np.asarray(written), np.asarray(picture))
    assert os.listdir(tmp_path) == ["out.png"]


@pytest.mark.usefixtures("draws_text")
def test_options(run: Run, tmp_path: Path) -> None:
    weights = networks.save(tmp_path / "small.safetensors", networks.tensors())
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(["mug", "7", "cup", "pan", "pot", "jug", "jar"]))
    model = sqznet.load(weights, labels=labels)
    for label, index in (("7", 1), ("6", 6), ("Cup", 2)):
        out = tmp_path / f"{label}.JPEG"
        code, _, err = run(
            "explain", COFFEE, "-o", out, "--model", weights, "--labels", labels,
            "--label", label, "--top", "2", "--threads", "1",
        )  # fmt: skip
        assert (code, err) == (0, "")
        expected, _ = draw(model, COFFEE, index, 2)
        with Image.open(out) as written:
            assert written.format == "JPEG"
            assert written.size == expected.size


@pytest.mark.usefixtures("draws_text")
def test_no_box(run: Run, tmp_path: Path) -> None:
    made = networks.tensors()
    made["classifier.1.weight"][2] = 0
    made["classifier.1.bias"][2] = -1
    weights = networks.save(tmp_path / "small.safetensors", made)
    out = tmp_path / "out.png"
    code, said, _ = run("explain", COFFEE, "-o", out, "--model", weights, "--label", "2")
    assert (code, said) == (0, f"{out}: no box\n")


@pytest.mark.parametrize("name", ["out.gif", "out", "out.png.txt", ".png", "out."])
def test_another_suffix(run: Run, tmp_path: Path, name: str) -> None:
    code, said, err = run("explain", COFFEE, "-o", tmp_path / name)
    assert (code, said) == (2, "")
    assert_one_line(err, str(tmp_path / name), "expected one of .png, .jpg, .jpeg")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--label", "expresso"), "no class is named 'expresso'; similar: 'espresso'"),
        (("--label", "1000"), "expected the name or index of a class, 0 to 999"),
        (("--label", "9" * 5000), "expected the name or index of a class"),
        (("--label", "²"), "no class is named"),
        (("--label", "a\nb"), "no class is named"),
        (("--top", "13"), "top is 13, expected 1 to 12"),
        (("--top", "0"), "--top"),
        (("--isa", "z80"), "z80"),
    ],
)
def test_wrong_usage(
    run: Run, tmp_path: Path, coarse: Path, options: tuple[str, str], part: str
) -> None:
    given = ("explain", COFFEE, "-o", tmp_path / "out.png", "--model", coarse)
    code, said, err = run(*given, *options)
    assert (code, said) == (2, "")
    assert_one_line(err, part)
    assert os.listdir(tmp_path) == []


def test_the_output_must_be_named(run: Run) -> None:
    code, _, err = run("explain", COFFEE)
    assert code == 2
    assert_one_line(err, "-o")


def test_the_photo_is_never_replaced(run: Run, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    shutil.copy(COFFEE, photo)
    (tmp_path / "link.jpg").symlink_to(photo)
    for out in (photo, tmp_path / "link.jpg"):
        code, said, err = run("explain", photo, "-o", out)
        assert (code, said) == (2, "")
        assert_one_line(err, str(out), "is the photo itself")
    assert photo.read_bytes() == COFFEE.read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"no photo"])
def test_an_unreadable_photo(run: Run, tmp_path: Path, content: bytes | None) -> None:
    photo = tmp_path / "photo.jpg"
    if content is not None:
        photo.write_bytes(content)
    code, said, err = run("explain", photo, "-o", tmp_path / "out.png")
    assert (code, said) == (1, "")
    assert_one_line(err, f"sqznet: {photo}: ")
    assert err.count(str(photo)) == 1
    assert not (tmp_path / "out.png").exists()


def test_unreadable_weights(run: Run, tmp_path: Path) -> None:
    model = tmp_path / "weights.pth"
    code, said, err = run("explain", COFFEE, "-o", tmp_path / "out.png", "--model", model)
    assert (code, said) == (1, "")
    assert_one_line(err, str(model))


@pytest.mark.usefixtures("draws_text")
def test_a_recognizer(run: Run, tmp_path: Path, coarse: Path) -> None:
    taught, out = tmp_path / "taught.sqz", tmp_path / "out.png"
    model = sqznet.load(coarse, threads=1)
    shown = {"cup": quarters(COFFEE), "cat": quarters(CHELSEA)}
    sqznet.learn(shown, model=model).save(taught)
    code, said, err = run(
        *("explain", CHELSEA, "-o", out, "--model", taught, "--backbone", coarse),
        *("--label", "Cat", "--threads", "1"),
    )
    assert (code, err) == (0, "")
    _, box = draw(sqznet.load(taught, backbone=coarse, threads=1), CHELSEA, "cat")
    assert box is not None
    assert f"{out}: cat {100 * box.score:.2f} %, columns {box.x0} to {box.x1}, " in said
    code, _, err = run(
        "explain", CHELSEA, "-o", out, "--model", taught, "--backbone", coarse, "--label", "dog"
    )
    assert code == 2
    assert_one_line(err, "no class is named 'dog'")


@pytest.mark.usefixtures("draws_text")
def test_a_place_that_cannot_be_written(run: Run, tmp_path: Path, small: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for out in (tmp_path / "absent" / "out.png", tmp_path / "folder.png"):
        code, said, err = run("explain", COFFEE, "-o", out, "--model", small)
        assert (code, said) == (1, "")
        assert_one_line(err, f"sqznet: {out}: cannot be written: ")
    assert os.listdir(tmp_path) == ["folder.png"]


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.usefixtures("draws_text")
def test_a_full_disk_keeps_the_old_file(
    run: Run, tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, old: bytes | None
) -> None:
    out = tmp_path / "out.png"
    if old:
        out.write_bytes(old)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    code, said, err = run("explain", COFFEE, "-o", out, "--model", small)
    assert (code, said) == (1, "")
    assert_one_line(err, f"{out}: cannot be written: No space left")
    assert os.listdir(tmp_path) == (["out.png"] if old else [])
    assert old is None or out.read_bytes() == old
