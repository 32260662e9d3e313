"""Vectors of photos: `model.embed`, `sqznet embed`, `sqznet similar`, and their files."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet.insight import vectors
from sqznet.insight.embedding import nearest, normalized

from ..support.answer_files import make_folder
from ..support.commands import exit_code
from ..support.places import COFFEE

ROW = re.compile(r" +(\d+)  (-?\d\.\d{4})  (.+)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


# --- model.embed ---------------------------------------------------------------------------------


def test_a_vector_is_the_average_of_fire9(coarse: Path) -> None:
    model = sqznet.load(coarse, threads=2)
    photos = [COFFEE, np.zeros((30, 40, 3), np.uint8), COFFEE]
    found = model.embed(photos)
    assert (found.shape, found.dtype) == ((3, 512), np.float32)
    for vector, maps in zip(found, model.feature_maps(photos), strict=True):
        np.testing.assert_allclose(vector, maps["fire9"].mean(axis=(0, 1)), rtol=1e-5, atol=1e-6)
    assert np.array_equal(model.embed(COFFEE), found[:1])
    assert model.embed([]).shape == (0, 512)


def test_normalized_vectors_have_length_one(coarse: Path) -> None:
    model = sqznet.load(coarse, threads=1)
    plain, unit = model.embed(COFFEE), model.embed(COFFEE, normalize=True)
    assert unit.dtype == np.float32
    assert np.linalg.norm(unit) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(unit * np.linalg.norm(plain), plain, rtol=1e-5)
    assert not normalized(
        np.zeros((1, 4), np.float32)
    ).any()  # a zero vector stays zero, without NaN


def test_the_nearest_come_first_and_equal_ones_keep_their_order() -> None:
    rows = np.array([[0, 1], [2, 0], [1, 1], [5, 0], [-1, 0], [0, 0]], np.float32)
    query = np.array([[3, 0]], np.float32)
    assert [at for at, _ in nearest(query, rows, 6)] == [1, 3, 2, 0, 5, 4]
    assert nearest(query, rows, 1) == [(1, 1.0)]
    assert nearest(query, rows, 6)[-1] == (4, -1.0)


def test_a_bad_image_is_an_image_error() -> None:
    with pytest.raises(sqznet.ImageError):
        sqznet.load(threads=1).embed([COFFEE, "none.jpg"])


# --- sqznet embed --------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", vectors.ENDINGS)
def test_a_folder_becomes_a_file(folder: Path, tmp_path: Path, small: Path, ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow")
    (folder / "2b.png").write_text("no photo")
    target = tmp_path / f"vectors{ending}"
    assert exit_code("embed", folder, COFFEE, "-o", target, "--model", small) == 1
    content = vectors.load(str(target))
    assert len(content.paths) == len(content.vectors) == 6
    assert content.paths[-1] == str(COFFEE)
    model = sqznet.load(small)
    for path, vector in zip(content.paths, content.vectors, strict=True):
        assert np.array_equal(vector, model.embed(path)[0])
    assert content.weights == sqznet.identify(small).sha256
    assert exit_code("embed", COFFEE, "-o", target, "--normalize", "--model", small) == 0
    assert np.linalg.norm(vectors.load(str(target)).vectors) == pytest.approx(1, abs=1e-6)


def test_numpy_reads_the_file(tmp_path: Path) -> None:
    assert exit_code("embed", COFFEE, "-o", tmp_path / "v.npz") == 0
    with np.load(tmp_path / "v.npz") as found:
        assert found["paths"].tolist() == [str(COFFEE)]
        assert (found["vectors"].shape, found["vectors"].dtype) == ((1, 512), np.float32)


@pytest.mark.parametrize("args", [("-o", "v.csv"), ("-o", "v"), ()])
def test_wrong_usage(args: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("embed", COFFEE, *args) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_failed_write_leaves_nothing(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "v.npz"
    target.write_text("what was there")

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert exit_code("embed", COFFEE, "-o", target, "--model", small) == 1
    expected = f"sqznet: {target}: cannot be written: No space left on device\n"
    assert capsys.readouterr().err == expected
    assert os.listdir(tmp_path) == ["v.npz"]
    assert target.read_text() == "what was there"


def test_without_pyarrow_there_is_a_hint_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert exit_code("embed", "no such photo", "-o", tmp_path / "v.parquet") == 2
    assert "pip install pyarrow" in capsys.readouterr().err


# --- sqznet similar ------------------------------------------------------------------------------


def test_similar_photos_come_first(
    tmp_path: Path, coarse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.radial_gradient("L").save(folder / "0.png")
    Image.linear_gradient("L").save(folder / "1.png")
    shutil.copy(COFFEE, folder / "copy.jpg")
    with Image.open(COFFEE) as photo:
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "mirrored.jpg")
    options = ("--top", "3", "--model", coarse)
    assert exit_code("similar", folder / "copy.jpg", folder, *options) == 0
    direct = capsys.readouterr()
    found = [ROW.fullmatch(line) for line in direct.out.splitlines()]
    assert [m and m[1] for m in found] == ["1", "2", "3"]
    assert direct.out.splitlines()[0].endswith(str(folder / "mirrored.jpg"))  # not the photo itself
    likeness = [float(m[2]) for m in found if m]
    assert likeness[0] > 0.9
    assert likeness == sorted(likeness, reverse=True)
    # The same from a file.
    assert exit_code("embed", folder, "-o", folder / "v.npz", "--model", coarse, "-q") == 0
    assert exit_code("similar", folder / "copy.jpg", folder / "v.npz", *options) == 0
    assert capsys.readouterr() == direct


def test_vectors_of_other_weights_are_refused(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("embed", COFFEE, "-o", tmp_path / "v.npz", "--model", small) == 0
    assert exit_code("similar", COFFEE, tmp_path / "v.npz") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"sqznet: {tmp_path / 'v.npz'}: its vectors come from weights with")
    assert err.count("\n") == 1


def test_no_photos_to_compare_with(
    tmp_path: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("similar", COFFEE, tmp_path, "--model", small) == 1
    assert "a folder without photos" in capsys.readouterr().err
    shutil.copy(COFFEE, tmp_path / "one.jpg")
    assert exit_code("similar", tmp_path / "one.jpg", tmp_path, "--model", small) == 1
    assert "no photos except the query" in capsys.readouterr().err
    assert exit_code("similar", tmp_path / "none.jpg", tmp_path, "--model", small) == 1
    assert capsys.readouterr().err == f"sqznet: {tmp_path / 'none.jpg'}: no such file\n"


BUNDLED = sqznet.identify(sqznet.weights.BUNDLED_PATH).sha256


def npz(path: Path, **arrays: object) -> None:
    whole = {"paths": np.array(["a"]), "vectors": np.ones((1, 512), "f4"), "weights": np.array("x")}
    np.savez(path, **(whole | arrays))  # type: ignore[arg-type]


@pytest.mark.parametrize("order", "<>")
def test_arrays_in_either_order_of_bytes(tmp_path: Path, order: str) -> None:
    paths, values = np.array(["aé", "b"], f"{order}U2"), np.arange(6, dtype=f"{order}f4")
    npz(tmp_path / "v.npz", paths=paths, vectors=values.reshape(2, 3))
    found = vectors.load(str(tmp_path / "v.npz"))
    assert (found.paths, found.weights) == (["aé", "b"], "x")
    np.testing.assert_array_equal(found.vectors, [[0, 1, 2], [3, 4, 5]])


def huge(path: Path) -> None:
    """A header that states far more data than the file has."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 512)}
    )
    npz(path)
    with zipfile.ZipFile(path) as whole:
        kept = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in kept.items():
            archive.writestr(name, buffer.getvalue() if name == "vectors.npy" else data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.touch(),
    "text": lambda path: path.write_text("no archive"),
    "missing": lambda path: None,
    "no vectors": lambda path: np.savez(path, paths=np.array(["a"])),
    "objects": lambda path: npz(path, paths=np.array([{}], object)),
    "flat": lambda path: npz(path, vectors=np.ones(512, "f4")),
    "whole numbers": lambda path: npz(path, vectors=np.ones((1, 512), "i4")),
    "more paths": lambda path: npz(path, paths=np.array(["a", "b"])),
    "nan": lambda path: npz(path, vectors=np.full((1, 512), np.nan, "f4")),
    "beyond Unicode": lambda path: npz(path, paths=np.array([0x7FFFFFFF], "<u4").view("<U1")),
    "compressed": lambda path: np.savez_compressed(path, paths=np.array(["a"])),
    "double precision": lambda path: npz(path, vectors=np.full((1, 512), 1e300)),
    "shorter": lambda path: npz(path, vectors=np.ones((1, 9), "f4"), weights=np.array(BUNDLED)),
    "huge": huge,
    "none": lambda path: npz(path, paths=np.empty(0, "U1"), vectors=np.empty((0, 512), "f4")),
    "columns first": lambda path: npz(
        path, paths=np.array(["a", "b"]), vectors=np.ones((2, 512), "f4", order="F")
    ),
    "fields": lambda path: npz(path, vectors=np.zeros((1, 512), [("a", "<f4")])),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_one_line(
    tmp_path: Path, small: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "v.npz"
    DAMAGE[name](path)
    options = () if name == "shorter" else ("--model", small)
    assert exit_code("similar", COFFEE, path, *options) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"sqznet: {path}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 9])
def test_a_damaged_parquet_file_is_one_line(
    tmp_path: Path, small: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    path = tmp_path / "v.parquet"
    path.write_bytes(content)
    assert exit_code("similar", COFFEE, path, "--model", small) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"sqznet: {path}: ")
    assert err.count("\n") == 1


def test_a_parquet_file_with_other_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    path = tmp_path / "v.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({"a": [1]}), path)
    assert exit_code("similar", COFFEE, path) == 1
    assert "has the columns a; expected path and vector" in capsys.readouterr().err
