"""From names to photos: folders, patterns, lists, and errors."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from sqznet.images.finding import Found, expand, read_list


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(found: list[Found], folder: Path) -> list[str]:
    assert all(photo.error is None for photo in found)
    return [os.path.relpath(photo.path, folder) for photo in found]


def test_a_folder_is_searched_in_the_order_of_names(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.PNG", "sub/c.jpeg", "sub/deep/d.webp", "another/e.tif")
    touch(tmp_path, "notes.txt", ".hidden.jpg", ".cache/f.jpg", "data.csv")
    expected = ["a.PNG", "b.jpg", "another/e.tif", "sub/c.jpeg", "sub/deep/d.webp"]
    assert names(list(expand([tmp_path])), tmp_path) == expected


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert names(list(expand([tmp_path])), tmp_path) == ["a.jpg"]
    assert len(list(expand([tmp_path / "loop"]))) == 1  # unless it is named explicitly


def test_a_pattern_is_sorted_and_searches_folders(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.jpg", "sub/deep/c.jpg", "x.txt")
    assert names(list(expand([f"{tmp_path}/*.jpg"])), tmp_path) == ["a.jpg", "b.jpg"]
    deep = names(list(expand([f"{tmp_path}/**/*.jpg"])), tmp_path)
    assert deep == ["a.jpg", "b.jpg", "sub/deep/c.jpg"]
    folders = names(list(expand([f"{tmp_path}/s*"])), tmp_path)
    assert folders == ["sub/deep/c.jpg"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    touch(tmp_path, "photo[1].jpg", "photo1.jpg")
    assert names(list(expand([tmp_path / "photo[1].jpg"])), tmp_path) == ["photo[1].jpg"]


def test_only_explicitly_named_files_are_repeated(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    a = tmp_path / "a.jpg"
    found = list(expand([a, a, tmp_path, f"{tmp_path}/*.jpg", f"{tmp_path}/../{tmp_path.name}"]))
    assert names(found, tmp_path) == ["a.jpg", "a.jpg", "b.jpg"]


def test_the_output_is_not_a_photo(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "out.csv", "out.csv.part")
    outputs = [str(tmp_path / "out.csv"), str(tmp_path / "out.csv.part")]
    found = list(expand([f"{tmp_path}/*", tmp_path / "out.csv"], outputs))
    assert names(found, tmp_path) == ["a.jpg"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", "a folder without photos"),
        ("only-text", "a folder without photos"),
        ("*.gif", "no file matches"),
        ("emp*", "no file matches"),
    ],
)
def test_names_without_photos_give_an_error(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "empty").mkdir()
    touch(tmp_path, "only-text/notes.txt")
    (found,) = expand([tmp_path / name])
    assert found.path == str(tmp_path / name)
    assert str(found.error).startswith(f"{tmp_path / name}: {reason}")


def test_an_unreadable_folder_gives_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.jpg", "locked/b.jpg")
    listed = os.scandir

    def scandir(path: str) -> object:
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root can list any folder
    photo, locked = expand([tmp_path])
    assert photo.error is None
    assert str(locked.error) == f"{tmp_path / 'locked'}: cannot be listed: Permission denied"


def test_a_missing_file_is_left_to_the_decoder(tmp_path: Path) -> None:
    assert list(expand([tmp_path / "no.jpg"])) == [Found(str(tmp_path / "no.jpg"))]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a.jpg\nb c.jpg\n", ["a.jpg", "b c.jpg"]),
        (b"a.jpg\r\n\r\nb.jpg", ["a.jpg", "b.jpg"]),
        (b"a\nb.jpg\0c.jpg\0", ["a\nb.jpg", "c.jpg"]),
        (b" a.jpg\n", [" a.jpg"]),
        (b"caf\xe9.jpg\n", [os.fsdecode(b"caf\xe9.jpg")]),
    ],
)
def test_lists(content: bytes, expected: list[str]) -> None:
    assert read_list(io.BytesIO(content)) == expected
