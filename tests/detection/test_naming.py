"""`detect(..., classify=model)`: what is in each box is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import Prediction
from sqznet.detection.naming import named
from sqznet.images.decoding import decode

from ..support.known_boxes import detection
from ..support.places import CHELSEA


class Sizes:
    """A classifier whose answers are the heights and widths that it was shown, and its first
    value."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def classify(self, images: list[Any], top: int) -> list[list[Prediction]]:
        assert top == 1
        self.calls.append(len(images))
        return [
            [Prediction("x".join(map(str, (*image.shape[:2], image[0, 0, 0]))), 0.9, 0)]
            for image in images
        ]


def test_all_boxes_are_classified_together_with_a_margin() -> None:
    ramp = np.repeat(np.arange(100, dtype=np.uint8)[None, :, None], 50, axis=0).repeat(3, axis=2)
    photo = decode(ramp)
    boxes = [(20, 10, 40, 20), (-3, 0, 100, 50), (99.5, 49.5, 99.9, 49.9)]
    found = [
        [detection("dog", 0.5, *sides) for sides in boxes],
        [],
        [detection("cat", 0.9, 1, 1, 2, 2)],
    ]
    model = Sizes()
    answers = named(model, [photo, photo, photo], found)
    assert model.calls == [4]
    # A tenth of 20 x 10 pixels on each side; as far as the photo goes; at least one pixel.
    assert [[one.label for one in photo] for photo in answers] == [
        ["dog: 12x24x18", "dog: 50x100x0", "dog: 1x1x99"],
        [],
        ["cat: 3x3x0"],
    ]
    for before, after in zip(found[0], answers[0], strict=True):
        assert after[1:3] == before[1:3]
        assert after.box[:4] == before.box[:4]
        assert after.box.label == after.label
        assert after.box.score == before.score


def test_nothing_found_is_not_classified() -> None:
    model = Sizes()
    assert named(model, [decode(np.zeros((9, 9, 3), np.uint8))], [[]]) == [[]]
    assert model.calls == []


def test_a_photo_decoded_smaller_is_cut_at_the_same_place() -> None:
    small = decode(np.zeros((25, 50, 3), np.uint8))
    small.whole = (100, 200)
    ((answer,),) = named(Sizes(), [small], [[detection("cat", 0.5, 40, 40, 80, 80)]])
    assert answer.label == "cat: 12x12x0"


def test_a_cat_gets_its_kind(coarse: Any) -> None:
    detector = sqznet.load_detector(threads=1)
    model = sqznet.load(coarse, threads=1)
    (plain,) = detector.detect(CHELSEA)
    (alone,) = detector.detect(CHELSEA, classify=model)
    ((listed,),) = detector.detect([CHELSEA], classify=model)
    assert alone == listed
    assert alone.label == alone.box.label
    assert alone.label.startswith("cat: ")
    assert alone.label.removeprefix("cat: ") in model.labels
    assert alone[1:3] == plain[1:3]
    assert sqznet.detect(CHELSEA, classify=model)[0].label.startswith("cat: ")
    wrong: Any = "squeezenet1_1"
    with pytest.raises(sqznet.SqznetError, match="classify is a str, expected a model"):
        detector.detect(CHELSEA, classify=wrong)
