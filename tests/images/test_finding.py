"""From names to photos: folders, patterns, lists, and errors."""

from __future__ import annotations

import io
import logging
import os
import re
import socket
from pathlib import Path

import pytest

from sqznet.images.finding import ENDINGS, Found, expand, natural, read_stream

from ..support.places import ROOT


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


# --- What is passed over ---------------------------------------------------------------------


def said(named: list[Path | str]) -> tuple[list[str], list[str]]:
    """The names of the photos, and the lines about the rest."""
    lines: list[str] = []
    found = list(expand(named, notice=lines.append))
    assert all(photo.error is None for photo in found)
    return [os.path.basename(photo.path) for photo in found], lines


def test_files_of_other_kinds_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.dng", "c.DNG", "sub/d.dng", "e.txt", "no_ending", ".hidden.txt")
    assert said([tmp_path]) == (
        ["a.jpg"],
        [f"{tmp_path}: 5 files of other kinds passed over (.dng 3, .txt 1, without a suffix 1)"],
    )
    (tmp_path / "one").mkdir()
    touch(tmp_path, "one/x.png", "one/y.cr2")
    assert said([tmp_path / "one"])[1] == [
        f"{tmp_path / 'one'}: 1 file of another kind passed over (.cr2 1)"
    ]


def test_many_kinds_are_not_all_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "\x1b[31m.\x1bx", *(f"{i}.k{i}" for i in range(20)))
    (line,) = said([tmp_path])[1]
    assert "21 files of other kinds" in line
    assert "and 15 more" in line
    assert "\x1b" not in line


def test_a_pattern_counts_no_file_twice(tmp_path: Path) -> None:
    touch(tmp_path, "p/a.jpg", "p/q/r/b.txt")
    names, lines = said([f"{tmp_path}/p*/**/"])
    assert names == ["a.jpg"]
    assert lines == [f"{tmp_path}/p*/**/: 1 file of another kind passed over (.txt 1)"]


def test_the_output_is_not_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "out.csv")
    lines: list[str] = []
    assert len(list(expand([tmp_path], [str(tmp_path / "out.csv")], lines.append))) == 1
    assert lines == []


def test_photos_of_less_common_formats_are_photos(tmp_path: Path) -> None:
    kinds = ["apng", "avif", "hif", "ico", "j2k", "jpx", "jxl", "mpo", "psd", "qoi"]
    touch(tmp_path, *(f"{kind}.{kind}" for kind in kinds))
    names, lines = said([tmp_path])
    assert names == [f"{kind}.{kind}" for kind in kinds]
    assert lines == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_fifos_sockets_and_devices_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "z.jpg")
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "c.png").symlink_to("/dev/null")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("b.jpg")
        for named in (tmp_path, f"{tmp_path}/*.*"):
            names, (line,) = said([named])
            assert names == ["z.jpg"]
            assert line == (
                f"{named}: 3 special files passed over (a.jpg, a FIFO; b.jpg, a socket; "
                "c.png, a device)"
            )


def test_the_docs_name_every_suffix() -> None:
    page = ROOT / "docs" / "images.md"
    if not page.is_file():
        pytest.skip("the docs are not beside the tests")
    listed = page.read_text(encoding="utf-8").rpartition("by their suffix:")[2]
    assert tuple(re.findall(r"`(\.\w+)`", listed)) == ENDINGS


def test_links_to_folders_are_said(tmp_path: Path) -> None:
    touch(tmp_path, "p/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "p" / "up").symlink_to(tmp_path)
    (tmp_path / "p" / "other").symlink_to(tmp_path / "elsewhere")
    names, lines = said([tmp_path / "p"])
    assert names == ["a.jpg"]
    assert lines == [f"{tmp_path / 'p'}: 2 links to folders not followed (other, up)"]


def test_links_that_lead_to_themselves_are_survived(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    for name in ("loop", "loop.jpg"):
        (tmp_path / name).symlink_to(tmp_path / name)
    names, lines = said([tmp_path])
    assert names == ["a.jpg", "loop.jpg"]  # reading it gives the error
    assert lines == [f"{tmp_path}: 1 file of another kind passed over (without a suffix 1)"]


def test_by_default_it_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "a.jpg", "b.txt")
    with caplog.at_level(logging.WARNING, "sqznet"):
        list(expand([tmp_path]))
    assert caplog.messages == [f"{tmp_path}: 1 file of another kind passed over (.txt 1)"]


def test_numbers_are_sorted_by_value(tmp_path: Path) -> None:
    listed = ["a.jpg", "a-1.jpg", "a1.jpg", "a01.jpg", "a2.jpg", "a10.jpg", "b.jpg", "s2b10.jpg",
              "s2b9.jpg", "s10.jpg"]  # fmt: skip
    touch(tmp_path, *listed, "f10/x.jpg", "f9/x.jpg")
    expected = ["a-1.jpg", "a.jpg", "a01.jpg", "a1.jpg", "a2.jpg", "a10.jpg", "b.jpg", "s2b9.jpg",
                "s2b10.jpg", "s10.jpg"]  # fmt: skip
    assert said([tmp_path])[0] == [*expected, "x.jpg", "x.jpg"]
    assert names(list(expand([f"{tmp_path}/f*"])), tmp_path) == ["f9/x.jpg", "f10/x.jpg"]
    assert said([f"{tmp_path}/*.jpg"])[0] == expected
    assert sorted(["٣", "3", "²", "x"], key=natural) == ["3", "x", "²", "٣"]


def test_an_address_is_no_pattern() -> None:
    address = "https://example.org/a.jpg?size=[3]*"
    assert list(expand([address])) == [Found(address)]


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
    assert read_stream(io.BytesIO(content), "-") == expected
