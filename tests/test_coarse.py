"""Coarse names wherever photos are classified."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import sqznet
from sqznet import SqznetError

from .support.commands import Run
from .support.places import CHELSEA, COFFEE


@pytest.fixture(scope="module")
def model() -> sqznet.Model:
    loaded: sqznet.Model = sqznet.load(threads=2)
    return loaded


def test_every_way_gives_the_same_sums(model: sqznet.Model, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    wanted = [model.classify(photo, top=3, coarse=True) for photo in (CHELSEA, COFFEE)]
    assert wanted[0][0].label == "cat"
    paths = [CHELSEA, tmp_path / "broken.jpg", COFFEE]
    cat, broken, coffee = model.classify_files(paths, top=3, coarse=True)
    assert [cat.predictions, coffee.predictions] == wanted
    assert not broken.predictions
    assert isinstance(broken.error, sqznet.ImageError)
    assert asyncio.run(model.aclassify(CHELSEA, top=3, coarse=True)) == wanted[0]
    (sighting,) = sqznet.watch([CHELSEA], model=model, coarse=True, top=3)
    assert [(p.label, p.score) for p in sighting.predictions] == [
        (p.label, p.score) for p in wanted[0]
    ]


def test_watch_averages_a_name_whatever_its_best_class_is(model: sqznet.Model) -> None:
    """The most likely cat differs between frames; their sums are one label."""
    frames = [CHELSEA, COFFEE]
    shown = list(sqznet.watch(frames, model=model, coarse=True, smoothing=0, top=1000))
    names = model.coarse_labels
    for sighting in shown:
        assert len({p.label for p in sighting.predictions}) == len(sighting.predictions)
        assert all(p.index == names.index(p.label) for p in sighting.predictions)
    assert shown[0].shown.label == "cat"


def test_the_command_watches_coarsely(run: Run, tmp_path: Path) -> None:
    from PIL import Image

    with Image.open(CHELSEA) as photo:
        photo.save(tmp_path / "cat.gif", save_all=True, append_images=[photo.rotate(5)])
    code, out, err = run("watch", tmp_path / "cat.gif", "--coarse")
    assert (code, err) == (0, "")
    assert " cat" in out
    code, _, err = run("watch", tmp_path / "cat.gif", "--coarse", "--detect")
    assert (code, err) == (2, "sqznet: --coarse is for labels, not for --detect\n")


def test_own_classes_have_no_coarse_names(small: Path, tmp_path: Path) -> None:
    taught = sqznet.learn({"cat": [CHELSEA], "coffee": [COFFEE]})
    for call in (
        lambda: taught.classify_files([CHELSEA], coarse=True),
        lambda: asyncio.run(taught.aclassify(CHELSEA, coarse=True)),
        lambda: sqznet.watch([CHELSEA], model=taught, coarse=True),
    ):
        with pytest.raises(SqznetError, match="coarse names are for ImageNet's classes"):
            call()
    with pytest.raises(SqznetError):
        sqznet.load(small).classify_files([CHELSEA], coarse=True)
