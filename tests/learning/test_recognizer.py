"""Few-shot learning: what a Recognizer learns, answers and refuses."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet.errors import ImageError, SqznetError
from sqznet.images.preprocessing import PRESETS
from sqznet.learning import learner, recognizer
from sqznet.learning.recognizer import Recognizer, learn

from ..support.patterns import picture, pictures, write_folder
from ..support.places import COFFEE

THREE = ("stripes", "checks", "rings")
FEW_PIXELS = PRESETS["squash-bgr"]._replace(size=(64, 64))


@pytest.fixture(scope="module")
def model(small: Path) -> sqznet.Model:
    """Fast, for tests that hold for any answers."""
    return sqznet.load(small, threads=1, preprocessing=FEW_PIXELS)


@pytest.fixture(scope="module")
def bundled(coarse: Path) -> sqznet.Model:
    return sqznet.load(coarse, threads=1)


@pytest.fixture(scope="module")
def taught(bundled: sqznet.Model) -> Recognizer:
    return learn({kind: pictures(kind, 4) for kind in THREE}, model=bundled)


def assert_same_answers(one: Recognizer, other: Recognizer, images: list[Any]) -> None:
    assert one.labels == other.labels
    first, second = one.answers(images), other.answers(images)
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-9)
    np.testing.assert_allclose(first.familiarity, second.familiarity, atol=1e-7)
    np.testing.assert_array_equal(first.unknown, second.unknown)


def test_it_classifies_known_classes(taught: Recognizer) -> None:
    assert taught.labels == THREE
    assert (taught.num_classes, taught.num_images) == (3, 12)
    for kind in THREE:
        for made in pictures(kind, 2, first=50):
            best, *others = taught.classify(made)
            assert best.label == kind
            assert best.index == THREE.index(kind)
            assert best.score > 0.8
            assert sum(p.score for p in others) == pytest.approx(1 - best.score)
            assert not taught.is_unknown(made)


def test_it_detects_unknown_images(taught: Recognizer) -> None:
    assert taught.is_unknown(COFFEE)
    first, *classes = taught.classify(COFFEE)
    assert (first.label, first.index) == ("unknown", -1)
    assert 0.94 < first.score < 1
    assert sorted(p.label for p in classes) == sorted(THREE)
    assert first.score + sum(p.score for p in classes) == pytest.approx(1)
    assert taught.classify(COFFEE, top=1) == [first]


def test_several_images_give_a_list_of_answers(taught: Recognizer) -> None:
    images = [picture("rings", 70), str(COFFEE), picture("checks", 70)]
    answers = taught.classify(images, top=1)
    assert [answer[0].label for answer in answers] == ["rings", "unknown", "checks"]
    assert answers[0][0].score == pytest.approx(taught.classify(images[0])[0].score)
    assert taught.classify([]) == []
    assert "<table>" in taught.classify(COFFEE)._repr_html_()


def test_progress_counts_every_image(model: sqznet.Model, tmp_path: Path) -> None:
    shown = write_folder(tmp_path, ("rings", "checks"), 2)
    (shown / "rings" / "bad.jpg").write_bytes(b"no picture")
    seen: list[tuple[int, int]] = []
    sqznet.learn(
        shown, model=model, report=lambda _: None, progress=lambda *count: seen.append(count)
    )
    assert seen == [(number, 5) for number in range(1, 6)]


def test_adding_later_equals_learning_at_once(model: sqznet.Model) -> None:
    """Up to rounding, in any order of calls, for new classes and for known ones."""
    shown = {kind: pictures(kind, 5) for kind in THREE}
    once = learn(shown, model=model)
    later = Recognizer(model)
    later.add("stripes", shown["stripes"][:2])
    later.add("checks", shown["checks"])
    later.add("rings", iter(shown["rings"]))
    for image in shown["stripes"][2:]:
        later.add("stripes", image)
    probes = [*pictures("rings", 2, 90), *pictures("stripes", 2, 90), COFFEE]
    assert_same_answers(once, later, probes)


def test_images_added_after_an_answer_count(bundled: sqznet.Model) -> None:
    growing = learn({kind: pictures(kind, 2) for kind in THREE[:2]}, model=bundled)
    before = growing.classify(picture("rings", 80))
    growing.add("rings", pictures("rings", 2))
    assert growing.classify(picture("rings", 80))[0].label == "rings" != before[0].label


def test_the_same_images_give_the_same_file(tmp_path: Path, small: Path) -> None:
    shown = {kind: pictures(kind, 3) for kind in THREE}
    for name, threads in (("one", 1), ("two", 2), ("three", 2)):
        model = sqznet.load(small, threads=threads, preprocessing=FEW_PIXELS)
        learn(shown, model=model).save(tmp_path / name)
    contents = {(tmp_path / name).read_bytes() for name in ("one", "two", "three")}
    assert len(contents) == 1


def test_threads_share_it_while_it_learns(bundled: sqznet.Model) -> None:
    shared = learn({kind: pictures(kind, 2) for kind in THREE[:2]}, model=bundled)
    made = picture("stripes", 60)
    seen: list[str] = []
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(3):
                seen.append(shared.classify(made)[0].label)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(4):
        shared.add("rings", picture("rings", i))
    for thread in threads:
        thread.join()
    assert not failed
    assert set(seen) == {"stripes"}
    assert shared.num_images == 8
    at_once = {kind: pictures(kind, 4 if kind == "rings" else 2) for kind in THREE}
    assert_same_answers(shared, learn(at_once, model=bundled), [made, COFFEE])


def test_one_class_alone_is_told_from_the_unknown(bundled: sqznet.Model) -> None:
    said: list[str] = []
    alone = learn({"rings": pictures("rings", 6)}, model=bundled, report=said.append)
    assert said == ["one class alone, 'rings': it can only be told from the unknown"]
    assert alone.classify(picture("rings", 40)) == [("rings", 1.0, 0)]
    assert alone.classify(COFFEE)[0].label == "unknown"


def test_one_image_per_class_works(bundled: sqznet.Model) -> None:
    few = learn({kind: pictures(kind, 1) for kind in THREE}, model=bundled)
    assert [few.classify(picture(kind, 33))[0].label for kind in THREE] == list(THREE)


def test_mirror_images_are_learned_only_if_they_look_alike(
    bundled: sqznet.Model, taught: Recognizer
) -> None:
    assert taught._learner.examples.mirrored.any()
    arrows = {kind: pictures(kind, 4) for kind in ("arrow left", "arrow right")}
    pointing = learn(arrows, model=bundled)
    assert not pointing._learner.examples.mirrored.any()
    probes = [picture("arrow left", 30), picture("arrow right", 30)]
    assert pointing.answers(probes).scores.argmax(axis=1).tolist() == [0, 1]
    pointing.add("arrow left", picture("arrow left", 31))
    assert not pointing._learner.examples.mirrored.any()


@pytest.mark.parametrize(("mirror", "learned"), [(True, 10), (False, 0)])
def test_mirror_images_can_be_forced_or_disabled(
    model: sqznet.Model, mirror: bool, learned: int
) -> None:
    shown = {kind: pictures(kind, 5) for kind in ("arrow left", "arrow right")}
    made = learn(shown, model=model, mirror=mirror)
    assert made._learner.examples.mirrored.sum() == learned


# --- Folders -----------------------------------------------------------------------------------


def test_a_folder_gives_its_sub_folders(tmp_path: Path, model: sqznet.Model) -> None:
    write_folder(tmp_path, THREE, 3)
    said: list[str] = []
    found = learn(str(tmp_path), model=model, report=said.append)
    assert found.labels == tuple(sorted(THREE))
    assert said == []
    at_once = learn({kind: pictures(kind, 3) for kind in sorted(THREE)}, model=model)
    assert_same_answers(found, at_once, [COFFEE, picture("rings", 44)])


def test_what_a_folder_leaves_out_is_reported(tmp_path: Path, model: sqznet.Model) -> None:
    write_folder(tmp_path, THREE, 2)
    (tmp_path / "rings" / "cut.png").write_bytes((tmp_path / "rings" / "0.png").read_bytes()[:900])
    (tmp_path / "rings" / "notes.txt").write_text("not an image, and not to be read as one")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "stray.png").write_bytes((tmp_path / "rings" / "0.png").read_bytes())
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "list.csv").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    deep = tmp_path / "stripes" / "2024" / "may"
    deep.mkdir(parents=True)
    (tmp_path / "stripes" / "0.png").rename(deep / "0.png")
    told: list[str | ImageError] = []
    found = learn(tmp_path, model=model, report=told.append)
    said = list(map(str, told))
    assert found.labels == tuple(sorted(THREE))
    assert found.num_images == 6
    assert sum(isinstance(line, ImageError) for line in told) == 3
    for expected in (
        "stray.png is in no sub-folder",
        "nothing: a folder without photos",
        "cut.png: ",
        "a.jpg: ",
        "class 'broken': none of its images can be read",
        "rings: 1 file of another kind passed over (.txt 1)",
        f"{tmp_path}: 2 files of other kinds passed over (.csv 1, without a suffix 1)",
    ):
        assert sum(expected in line for line in said) == 1, expected
    assert len(said) == 7
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        learn(tmp_path, model=model)
    assert [str(warning.message) for warning in caught] == said


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("caf\xe9", "cafe\u0301"), "spelled alike; rename one"),
        (("a\nb", "a\\nb"), "two folders are named a"),
    ],
)
def test_two_folders_with_the_same_name_are_refused(
    tmp_path: Path, model: sqznet.Model, names: tuple[str, str], message: str
) -> None:
    write_folder(tmp_path, ("rings",), 1)
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes((tmp_path / "rings" / "0.png").read_bytes())
    with pytest.raises(SqznetError, match=message):
        learn(tmp_path, model=model)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "absent", "absent: No such file"),
        (lambda folder: COFFEE, "coffee.jpg: Not a directory"),
        (lambda folder: folder, "expected a sub-folder with images for each class, found none"),
        (lambda folder: 7, "expected a folder or a mapping from labels to images, found a int"),
        (lambda folder: {}, "no classes, expected at least one"),
        (lambda folder: {"mug": []}, "no image of 'mug', expected at least one"),
        (lambda folder: {"": [COFFEE]}, "a label is '', expected the name of a class"),
        (lambda folder: {3: [COFFEE]}, "a label is 3, expected the name of a class"),
        (lambda folder: {"\xe9": [COFFEE], "e\u0301": [COFFEE]}, "spelled alike; rename one"),
    ],
)
def test_bad_examples_are_refused(
    tmp_path: Path, model: sqznet.Model, make: Any, message: str
) -> None:
    with pytest.raises(SqznetError, match=message):
        learn(make(tmp_path), model=model, report=lambda line: None)


def test_nothing_is_learned_from_unreadable_images(model: sqznet.Model) -> None:
    growing = learn({"rings": pictures("rings", 2), "checks": pictures("checks", 2)}, model=model)
    with pytest.raises(ImageError, match="absent"):
        growing.add("rings", [picture("rings", 9), "absent.jpg"])
    assert growing.num_images == 4
    with pytest.raises(ImageError):
        growing.classify("absent.jpg")
    with pytest.raises(SqznetError, match="top must be"):
        growing.classify(COFFEE, top=0)


def test_an_empty_recognizer_asks_for_examples(tmp_path: Path, model: sqznet.Model) -> None:
    empty = Recognizer(model)
    assert repr(empty) == "<sqznet.Recognizer of 0 classes, 0 images>"
    with pytest.raises(SqznetError, match="has no examples yet"):
        empty.classify(COFFEE)
    with pytest.raises(SqznetError, match="has no examples yet"):
        empty.is_unknown(COFFEE)
    with pytest.raises(SqznetError, match="nothing to save"):
        empty.save(tmp_path / "none.sqz")
    with pytest.raises(SqznetError, match="mirror is 'auto'"):
        Recognizer(model, mirror="auto")  # type: ignore[arg-type]


# --- Too many ----------------------------------------------------------------------------------


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "MAX_ROWS", 12)
    monkeypatch.setattr(learner, "_THINNED_ROWS", 10)
    monkeypatch.setattr(recognizer, "MAX_ROWS", 12)


def counts(of: Recognizer) -> Mapping[str, int]:
    return dict(zip(of.labels, of._learner.examples.counts().tolist(), strict=True))


@pytest.mark.usefixtures("small_memory")
def test_too_many_images_are_thinned_before_the_network_runs(model: sqznet.Model) -> None:
    said: list[str] = []
    shown = {"rings": pictures("rings", 20), "checks": pictures("checks", 3)}
    thinned = learn(shown, model=model, report=said.append)
    assert counts(thinned) == {"rings": 9, "checks": 3}
    assert len(said) == 1
    assert "23 images, but 12 can be remembered: only 9 of each class" in said[0]
    assert not thinned._learner.examples.mirrored.any()


@pytest.mark.usefixtures("small_memory")
def test_mirror_images_go_first_when_there_are_too_many(model: sqznet.Model) -> None:
    said: list[str] = []
    growing = Recognizer(model, report=said.append)
    growing.add("rings", pictures("rings", 3))
    growing.add("checks", pictures("checks", 3))
    assert growing._learner.examples.mirrored.sum() == 6
    growing.add("stripes", pictures("stripes", 3))
    assert not growing._learner.examples.mirrored.any()
    assert said == []
    growing.add("stripes", pictures("stripes", 6, 10))
    assert counts(growing) == {"rings": 3, "checks": 3, "stripes": 4}
    assert said == ["more than 12 images: 5 of the largest classes were forgotten"]
    assert growing.classify(picture("stripes", 10))[0].label == "stripes"


@pytest.mark.usefixtures("small_memory")
def test_forced_mirror_images_stay(model: sqznet.Model) -> None:
    both = learn(
        {"rings": pictures("rings", 9)}, model=model, mirror=True, report=lambda line: None
    )
    assert both.num_images == 6
    both.add("checks", pictures("checks", 2))
    assert both._learner.examples.mirrored.sum() == both.num_images == 5
