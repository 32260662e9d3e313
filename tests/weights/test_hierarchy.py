"""ImageNet's classes in the hierarchy of WordNet, and answers by coarse names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import sqznet
from sqznet import weights
from sqznet.answers import Prediction, summed
from sqznet.weights.hierarchy import coarse_names, groups
from sqznet.weights.labels import imagenet_start

from ..support.places import EXAMPLES, ROOT
from ..support.tools import load_tool

IMAGENET = weights.imagenet_labels()
CATS = {"tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat", "cougar", "lynx"}


def below(name: str) -> set[str]:
    return {IMAGENET[i] for group in groups() if name in group.names for i in group.classes}


def test_the_classes_below_a_name() -> None:
    assert below("true cat") == CATS
    assert below("cat") == CATS | below("big cat")  # which WordNet calls a cat, too
    assert below("elephant") == {"Indian elephant", "African elephant"}
    assert {"tench", "great white shark", "stingray", "lionfish"} < below("fish")
    assert below("automobile") == below("motorcar") > {"sports car", "jeep", "ambulance"}
    # A class may be below several names that are not below each other.
    assert "peacock" in below("bird") & below("game bird")


def test_each_class_has_one_coarse_name() -> None:
    names = coarse_names(IMAGENET)
    assert len(names) == 1000
    assert {label for label, name in zip(IMAGENET, names, strict=True) if name == "cat"} == CATS
    counts = Counter(names)
    assert counts["dog"] == 118
    assert counts["wolf"] == counts["fox"] == 4
    alone = [label for label, name in zip(IMAGENET, names, strict=True) if name == label]
    assert alone == ["bubble", "toilet tissue"]  # WordNet has nothing below 550 classes above them
    assert {group.names[0] for group in groups() if group.is_coarse} == {*names} - {*alone}


def test_imagenet_is_known_by_its_names() -> None:
    assert imagenet_start(IMAGENET) == 0
    assert imagenet_start(("background", *IMAGENET)) == 1
    assert coarse_names(("background", *IMAGENET)) == ("background", *coarse_names(IMAGENET))
    keras = tuple(name.replace(" ", "_") for name in IMAGENET)
    assert coarse_names(keras) == tuple(
        key if key in ("bubble", "toilet_tissue") else name
        for key, name in zip(keras, coarse_names(IMAGENET), strict=True)
    )
    long = ("tench, Tinca tinca", *IMAGENET[1:-1], "toilet tissue, toilet paper, bathroom tissue")
    assert imagenet_start(long) == 0
    for other in ((), IMAGENET[:7], IMAGENET[::-1], ("thing", *IMAGENET), ("tench",) * 1000):
        assert imagenet_start(other) is None
        with pytest.raises(sqznet.SqznetError, match="ImageNet's 1000 classes alone"):
            coarse_names(other)


def test_sums() -> None:
    fine = [Prediction("b", 0.4, 1), Prediction("a", 0.3, 0), Prediction("c", 0.2, 2)]
    found = summed(fine, ("x", "y", "x"), 5)
    assert [p.label for p in found] == ["x", "y"]
    assert found[0].score == pytest.approx(0.5)
    assert [p.index for p in found] == [0, 1]  # the most likely class of each
    assert summed(fine, ("x", "y", "x"), 1) == found[:1]


def test_coarse_answers_are_sums_of_the_scores() -> None:
    photo = EXAMPLES / "chelsea.jpg"
    every = sqznet.classify(photo, top=1000)
    cats = sum(p.score for p in every if p.label in CATS)
    assert cats > 0.9
    found = sqznet.classify(photo, top=3, coarse=True)
    assert len(found) == 3
    assert (found[0].label, found[0].index) == ("cat", every[0].index)
    assert found[0].score == pytest.approx(cats)
    assert sqznet.classify([photo], top=3, coarse=True) == [found]
    everything = sqznet.classify(photo, top=1000, coarse=True)
    assert sum(p.score for p in everything) == pytest.approx(1, abs=1e-4)


def test_networks_without_coarse_names(small: Path) -> None:
    with pytest.raises(sqznet.SqznetError, match="these are 7 others"):
        sqznet.load(small).classify(EXAMPLES / "coffee.jpg", coarse=True)
    model = sqznet.load(activation="sigmoid")
    with pytest.raises(sqznet.SqznetError, match="softmax scores, this network has sigmoid"):
        model.classify(EXAMPLES / "coffee.jpg", coarse=True)


def test_a_missing_table_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    groups.cache_clear()
    monkeypatch.setattr("sqznet.weights.hierarchy.__file__", str(tmp_path / "a" / "b.py"))
    try:
        with pytest.raises(sqznet.WeightsError, match=r"imagenet_hierarchy\.txt: cannot be read"):
            groups()
    finally:
        groups.cache_clear()


NOUNS = """\
  1 The license, which is not data.
00000001 03 n 02 animal 0 beast 0 001 ~ 00000002 n 0000 | a living thing
00000002 05 n 01 cat 0 002 @ 00000001 n 0000 ~ 00000004 n 0000 | feline
00000003 05 n 01 pet 0 001 @ 00000001 n 0000 | kept at home
00000004 05 n 02 tabby 0 tabby_cat 0 002 @ 00000002 n 0000 @ 00000003 n 0000 | striped
00000005 05 n 01 dog 0 001 @i 00000003 n 0000 | man's best friend
"""


@pytest.mark.skipif(not (ROOT / "tools").is_dir(), reason="the tests are not beside the tools")
def test_the_tool_gathers_what_is_below_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools")  # for the other tools that it imports
    tool = load_tool("make_hierarchy")
    nouns = tool.read_nouns(NOUNS.splitlines())
    assert nouns["00000004"] == (["tabby", "tabby cat"], ["00000002", "00000003"])
    found = tool.sets_of(nouns, ["00000004", "00000005"])
    # Of names for the same classes, the lowest comes first.
    assert found == {frozenset({0}): ["cat"], frozenset({0, 1}): ["pet", "animal", "beast"]}
    assert tool.ranges({5, 3, 7, 4, 9, 10}) == "3-5 7 9-10"
