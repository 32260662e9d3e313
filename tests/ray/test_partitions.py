"""The list of photos of a folder of results: it is continued, and never changed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sqznet import SqznetError
from sqznet.files import part_file
from sqznet.ray.partitions import LIST, Partitions, file_name, sensible_size
from sqznet.ray.storage import Folder, located, photos_in

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

SETTINGS = {"model": "m-1", "top": 5, "min_score": None}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(str(tmp_path / "answers"))
    made.make()
    return made


def test_partitions_are_the_same_when_they_are_read_again(folder: Folder) -> None:
    names = [f"/photos/{i}.jpg" for i in range(7)] + [os.fsdecode(b"/photos/\xff.jpg")]
    first = Partitions(folder, SETTINGS, resume=False)
    assert first.add(names, 3) == 8
    assert [len(photos) for _, photos in first.left()] == [3, 3, 2]
    folder.write(file_name(1), b"")
    again = Partitions(folder, SETTINGS, resume=True)
    assert again.add(names, 5) == 0
    assert list(again.left()) == [(0, names[:3]), (2, names[6:])]
    assert (again.count, again.complete) == (3, 1)


def test_new_photos_come_into_new_partitions(folder: Folder) -> None:
    Partitions(folder, SETTINGS, resume=False).add(["/b", "/b", "/d"], 2)
    again = Partitions(folder, SETTINGS, resume=True)
    assert again.add(["/a", "/b", "/c", "/b", "/b"], 2) == 3
    expected = [(0, ["/b", "/b"]), (1, ["/d"]), (2, ["/a", "/c"]), (3, ["/b"])]
    assert list(again.left()) == expected
    assert list(Partitions(folder, SETTINGS, resume=True).left()) == expected


def test_what_a_folder_holds_is_respected(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "answers" / "letter.txt").write_text("")
    with pytest.raises(SqznetError, match=r"holds other files, such as 'letter\.txt'"):
        Partitions(folder, SETTINGS, resume=True)
    (tmp_path / "answers" / "letter.txt").unlink()
    Partitions(folder, SETTINGS, resume=True).add(["/a"], 1)
    with pytest.raises(SqznetError, match="holds results: --resume continues them"):
        Partitions(folder, SETTINGS, resume=False)
    with pytest.raises(SqznetError, match="results with top 5, this run has 1: take the same"):
        Partitions(folder, {**SETTINGS, "top": 1}, resume=True)
    for damage in (b"", b"PAR1", (tmp_path / "answers" / LIST).read_bytes()[:-9]):
        (tmp_path / "answers" / LIST).write_bytes(damage)
        with pytest.raises(SqznetError, match=rf"{LIST}: is damaged or of another program"):
            Partitions(folder, SETTINGS, resume=True)


def test_a_full_disk_leaves_no_half_of_a_file(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, target: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(part_file, "move_into_place", full)
    with pytest.raises(SqznetError, match=r"answers: No space left on device$"):
        folder.write("part-000000.parquet", b"content")
    assert os.listdir(tmp_path / "answers") == []


def test_sizes_keep_all_cores_busy_until_the_end() -> None:
    assert sensible_size(250, 2) == 100
    assert sensible_size(10_000, 2) == 312
    assert sensible_size(10**9, 1000) == 5000
    assert sensible_size(5, 0) == 100


@pytest.mark.parametrize(
    ("name", "bucket", "path"),
    [
        ("/a/b c", None, "/a/b c"),
        ("file:///a/b%20c", None, "/a/b c"),
        ("FILE://localhost/a", None, "/a"),
        ("s3://pets/2024/cats/", ("s3://pets", "s3://pets"), "2024/cats"),
        ("s3://k:s@pets?region=x", ("s3://pets", "s3://k:s@pets?region=x"), ""),
        ("gs://anonymous@pets/a%20b", ("gs://pets", "gs://anonymous@pets"), "a%20b"),
    ],
)
def test_where_names_lead(name: str, bucket: tuple[str, str] | None, path: str) -> None:
    assert located(name) == (bucket, path)


@pytest.mark.parametrize(
    "name", ["https://a.org/b.jpg", "hdfs://a/b", "s3://", "s3:/a/b", "file://host/a"]
)
def test_other_addresses_are_errors(name: str) -> None:
    with pytest.raises(SqznetError, match="not an address of photos, expected a folder, file:///"):
        Folder(name)


@pytest.mark.slow  # pyarrow tries three times
def test_a_bucket_that_cannot_be_reached_is_one_error() -> None:
    bucket, key = located("s3://pets/a?endpoint_override=127.0.0.1:9&scheme=http&region=x")
    assert bucket is not None
    (found,) = photos_in(bucket, key)
    assert str(found.error).startswith("s3://pets/a: cannot be reached (")
