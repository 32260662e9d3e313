"""Which photos train and which validate, and the store of decoded photos."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sqznet import ImageError, SqznetError
from sqznet.images.preprocessing import Preprocessing
from sqznet.training import store
from sqznet.training.photos import Labeled, divided, readable, shared_by
from sqznet.training.store import stored

from ..support import networks
from ..support.patterns import picture, write_folder

PRE = Preprocessing((24, 32), "squash")


def fail(message: Any) -> None:
    raise AssertionError(message)


def classes(**counts: int) -> dict[str, list[str]]:
    return {label: [f"{label}/{i}.jpg" for i in range(count)] for label, count in counts.items()}


# --- The two parts ---------------------------------------------------------------------------


def test_a_share_of_each_class_is_kept_apart() -> None:
    labels, training, judging = divided(classes(ant=10, bee=4, cow=1), 0.25, 0, fail)
    assert labels == ("ant", "bee", "cow")
    assert [training.classes.count(i) for i in range(3)] == [8, 3, 1]
    assert [judging.classes.count(i) for i in range(3)] == [2, 1, 0]
    assert not set(training.paths) & set(judging.paths)
    assert len(training.paths) + len(judging.paths) == 15


def test_the_seed_decides_which_photos_are_kept_apart() -> None:
    found = [divided(classes(ant=20, bee=20), 0.2, seed, fail)[2] for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_validation_photos_can_be_others() -> None:
    lines: list[Any] = []
    given = classes(bee=2, dog=1)
    labels, training, judging = divided(classes(ant=3, bee=3), given, 0, lines.append)
    assert labels == ("ant", "bee")
    assert len(training.paths) == 6
    assert judging == Labeled(given["bee"], [1, 1])
    assert lines == [
        "validation: no photos to train with are of dog: left out",
        "validation: no photos of ant",
    ]


@pytest.mark.parametrize("val", [0, 1, 1.5, -0.1, float("nan"), True])
def test_a_share_is_between_0_and_1(val: float) -> None:
    with pytest.raises(SqznetError, match="expected a share between 0 and 1"):
        divided(classes(ant=3, bee=3), val, 0, fail)


def test_one_class_cannot_be_trained() -> None:
    with pytest.raises(SqznetError, match=r"one class alone, 'ant'.*sqznet\.learn can"):
        divided(classes(ant=5), 0.2, 0, fail)


def test_photos_are_left_to_validate_with() -> None:
    with pytest.raises(SqznetError, match="each class has one photo, so none is left to validate"):
        divided(classes(ant=1, bee=1), 0.2, 0, fail)
    with pytest.raises(SqznetError, match="cat, is among those to train, ant, bee"):
        divided(classes(ant=2, bee=2), classes(cat=1), 0, lambda _: None)


def test_an_empty_validation_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SqznetError, match="expected a sub-folder with images"):
        divided(classes(ant=2, bee=2), tmp_path, 0, fail)


def test_something_else_than_photos_is_an_error() -> None:
    with pytest.raises(SqznetError, match="expected a folder or a mapping"):
        divided(3, 0.2, 0, fail)  # type: ignore[arg-type]


# --- The store -------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Photos of different sizes and kinds."""
    made = [networks.photo(0), networks.photo(1, 120, 40), networks.photo(2)[..., 0]]
    paths = [str(tmp_path / f"{i}.png") for i in range(len(made))]
    for path, pixels in zip(paths, made, strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def test_photos_are_stored_as_the_network_reads_them(photos: list[str], tmp_path: Path) -> None:
    found = stored(str(tmp_path / "store"), photos, PRE, fail)
    assert found.pixels.shape == (3, 24, 32, 3)
    assert found.pixels.dtype == np.uint8
    assert found.kept == [0, 1, 2]
    for path, pixels in zip(photos, found.pixels, strict=True):
        with Image.open(path) as photo:
            small = photo.convert("RGB").resize((32, 24), Image.Resampling.BILINEAR)
        assert np.array_equal(pixels, np.asarray(small))


def test_unreadable_photos_are_reported_and_left_out(photos: list[str], tmp_path: Path) -> None:
    Path(photos[1]).write_bytes(b"no picture")
    path = str(tmp_path / "store")
    for _ in range(2):  # also if the store is there already
        lines: list[ImageError] = []
        found = stored(path, [*photos, "missing.png"], PRE, lines.append)
        assert found.kept == [0, 2]
        assert len(found) == 2
        assert [type(line) for line in lines] == [ImageError, ImageError]
        assert "1.png" in str(lines[0])
    labeled = Labeled([*photos, "missing.png"], [0, 0, 1, 2])
    with pytest.raises(SqznetError, match="none of the photos of cow could be read"):
        readable(labeled, found, ("ant", "bee", "cow"))
    with pytest.raises(SqznetError, match="none of the photos could be read"):
        stored(path, ["missing.png"], PRE, lines.append)


def test_a_store_is_made_once(
    photos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "store")
    before = stored(path, photos, PRE, fail)
    with monkeypatch.context() as patch:
        patch.setattr(store, "decode", fail)
        again = stored(path, photos, PRE, fail)
    assert np.array_equal(again.pixels, before.pixels)
    assert again.hashes == before.hashes
    Image.fromarray(picture("rings", 0)).save(photos[0])
    changed = stored(path, photos, PRE, fail)
    assert changed.hashes[0] != before.hashes[0]
    assert changed.hashes[1:] == before.hashes[1:]
    size = os.path.getsize(path)
    os.truncate(path, size - 100)
    assert stored(path, photos, PRE, fail).hashes == changed.hashes
    assert os.path.getsize(path) == size


def test_a_full_disk_is_one_clear_error(
    photos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(SqznetError, match=r"the decoded photos need .* MB are free"):
            stored(str(path), photos, PRE, fail)

    def write(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "_write", write)
    with pytest.raises(SqznetError, match="decoded photos cannot be written: No space left"):
        stored(str(path), photos, PRE, fail)
    assert sorted(os.listdir(tmp_path)) == ["0.png", "1.png", "2.png"]


def test_photos_in_both_parts_are_counted(tmp_path: Path) -> None:
    kinds = write_folder(tmp_path / "kinds", ("rings", "checks"), 2)
    paths = sorted(map(str, kinds.rglob("*.png")))
    copy = str(shutil.copy(paths[0], tmp_path / "copy.png"))
    one = stored(str(tmp_path / "one"), paths, PRE, fail)
    other = stored(str(tmp_path / "other"), [copy], PRE, fail)
    assert shared_by(one, other) == 1
