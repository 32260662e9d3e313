"""Writing files through a temporary file: complete under their name, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import sqznet
from sqznet.files.part_file import PartFile, move_into_place, write_file, written
from sqznet.files.resumable import ResumableFile


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a file"
    for given in (target, str(target), os.fsencode(target)):
        write_file(given, repr(given).encode())
        assert target.read_bytes() == repr(given).encode()
    assert os.listdir(tmp_path) == ["a file"]


def test_until_the_block_is_done_nothing_is_seen_of_it(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    with written(target) as first, written(target) as second:
        assert len({first, second}) == 2
        assert {os.path.dirname(path) for path in (first, second)} == {str(tmp_path)}
        Path(first).write_text("first")
        Path(second).write_text("second")
        assert target.read_text() == "old"
    assert target.read_text() == "first"  # the block that ended last
    assert os.listdir(tmp_path) == ["target"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_a_block_that_raises_leaves_what_was_there(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "target"
    target.write_text("old")

    def write() -> None:
        with written(target) as path:
            Path(path).write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["target"]


def test_a_part_file_that_is_gone_hides_no_error(tmp_path: Path) -> None:
    def fail() -> None:
        with written(tmp_path / "target") as path:
            os.unlink(path)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(FileNotFoundError), written(tmp_path / "target") as path:
        os.unlink(path)
    assert os.listdir(tmp_path) == []


def test_the_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    usual, target = tmp_path / "usual", tmp_path / "target"
    target.touch(0o600)
    before = os.umask(0o027)
    try:
        usual.touch()
        write_file(target, b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


def test_a_link_goes_on_pointing_to_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "link", tmp_path / "there" / "target"
    link.symlink_to(target)  # to nothing yet
    for content in (b"new", b"newer"):
        write_file(link, content)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert os.listdir(tmp_path / "there") == ["target"]


def test_a_download_takes_the_place_of_a_link(tmp_path: Path) -> None:
    """A file that a user linked into the cache must not be overwritten."""
    theirs, link, part = (tmp_path / name for name in ("theirs", "link", "part"))
    theirs.write_text("theirs")
    link.symlink_to(theirs)
    part.write_text("fetched")
    move_into_place(str(part), str(link))
    assert not link.is_symlink()
    assert (theirs.read_text(), link.read_text()) == ("theirs", "fetched")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_a_regular_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("folder", "pipe", "link", os.devnull):
        with pytest.raises(FileExistsError, match="no regular file"):
            PartFile(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "absent" / "target", b"")
    with pytest.raises(ValueError, match="null"):
        write_file(tmp_path / "zero\0byte", b"")
    assert sorted(os.listdir(tmp_path)) == ["folder", "link", "pipe"]


def test_a_part_file_that_a_later_run_finds(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("older")
    first = ResumableFile(target)
    assert first.path == f"{target}.part"
    first.file.write(b"half")
    first.file.close()
    again = ResumableFile(target)
    assert again.file.read() == b"half"
    assert target.read_text() == "older"
    again.commit()
    assert target.read_text() == "half"
    assert os.listdir(tmp_path) == ["target"]


def test_nothing_else_in_the_package_replaces_files() -> None:
    package = Path(sqznet.__file__).parent
    calls = ("os.replace(", "os.rename(", "fsync(", "mkstemp(", "NamedTemporaryFile(")
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(call in path.read_text(encoding="utf-8") for call in calls)
    }
    assert found == {"files/part_file.py"}
