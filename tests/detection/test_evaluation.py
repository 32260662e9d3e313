"""Average precision, compared with values computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sqznet import SqznetError
from sqznet.boxes import Detection
from sqznet.detection.evaluation import DetectionEvaluation, evaluate
from sqznet.detection.matching import AREAS, MOST, OVERLAPS, TrueBox, matched, overlaps
from sqznet.detection.precision import Ranking
from sqznet.images.finding import Found

from ..support.known_boxes import KnownDetector, detection, true_photo

ALL = AREAS["all"]


def measured(*photos: tuple[Sequence[TrueBox], Sequence[Detection]]) -> DetectionEvaluation:
    """The evaluation of photos, given by their true boxes and detections."""
    detector: Any = KnownDetector({300 + i: found for i, (_, found) in enumerate(photos)})
    true = [true_photo(300 + i, boxes) for i, (boxes, _) in enumerate(photos)]
    return evaluate(detector, true, lambda _: None)


# --- Overlaps and matches ------------------------------------------------------------------------


def test_overlaps() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 20, 30]], float)
    true = np.array([[0, 0, 10, 10], [0, 0, 20, 20], [50, 50, 60, 60]], float)
    third = 50 / 150
    expected = [[1, 100 / 400, 0], [third, 100 / 400, 0], [0, 0, 0]]
    assert overlaps(boxes, true, [False] * 3) == pytest.approx(np.array(expected))
    # Of a crowd it is the part of the box that lies in it.
    assert overlaps(boxes[:2], true[:2], [False, True]) == pytest.approx(
        np.array([[1, 1], [third, 1]])
    )


def test_each_true_box_is_found_once_by_the_best() -> None:
    true = [TrueBox(0, 0, 100, 100, "cat")]
    low, high = detection("cat", 0.6, 0, 0, 100, 100), detection("cat", 0.9, 0, 0, 100, 81)
    found = matched([low, high], true, ALL)
    assert found.scores.tolist() == [0.9, 0.6]
    assert found.things == 1
    # 0.81 reaches the overlaps up to 0.8; from 0.85 on only the other one does.
    assert found.right[:, 0].tolist() == [True] * 7 + [False] * 3
    assert found.right[:, 1].tolist() == [False] * 7 + [True] * 3
    assert not found.neither.any()


@pytest.mark.parametrize("kind", ["may_be_missed", "is_crowd"])
def test_some_boxes_may_be_missed_and_found_any_number_of_times(kind: str) -> None:
    true = [TrueBox(0, 0, 100, 100, "cat", **{kind: True}), TrueBox(0, 0, 90, 100, "cat")]
    found = matched([detection("cat", s, 0, 0, 100, 100) for s in (0.9, 0.8, 0.7)], true, ALL)
    assert found.things == 1
    # The one that must be found goes first, although the other fits better.
    assert found.right[0].tolist() == [True, False, False]
    assert found.neither[0].tolist() == [False, True, True]


def test_what_has_another_size_does_not_count() -> None:
    true = [TrueBox(0, 0, 20, 20, "cat"), TrueBox(100, 0, 200, 100, "cat", area=500.0)]
    boxes = [(0, 0, 20, 20), (100, 0, 200, 100), (0, 100, 20, 120), (100, 100, 200, 200)]
    found = matched([detection("cat", 0.9 - i / 10, *b) for i, b in enumerate(boxes)], true, ALL)
    assert (found.things, found.right[0].tolist()) == (2, [True, True, False, False])
    small = matched(
        [detection("cat", 0.9 - i / 10, *b) for i, b in enumerate(boxes)], true, AREAS["small"]
    )
    # The area that a true box says it has is what counts, as that of COCO's outlines.
    assert (small.things, small.right[0].tolist()) == (2, [True, True, False, False])
    assert small.neither[0].tolist() == [False, False, False, True]
    large = matched([detection("cat", 0.9, *boxes[0])], true, AREAS["large"])
    assert (large.things, large.neither[0].tolist()) == (0, [True])


def test_only_the_best_hundred_count() -> None:
    many = [detection("cat", 0.5 + i / 1000, 0, 0, 10, 10) for i in range(MOST + 20)]
    found = matched(many, [], ALL)
    assert len(found.scores) == MOST == 100
    assert found.scores[-1] == 0.5 + 20 / 1000


# --- Average precision ---------------------------------------------------------------------------


def test_average_precision() -> None:
    """Right, wrong, right, of three things: precision 1 up to a recall of 1/3, 2/3 up to 2/3."""
    ranking = Ranking(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 3)
    recall, precision = ranking.curve()
    assert recall.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    # The recalls 0 to 0.33 are 34, those from 0.34 to 0.66 are 33 of 101.
    assert ranking.average() == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert ranking.area() == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)
    assert [ranking.at(score) for score in (0.7, 0.75, 0.8, 0.95)] == [
        *((3, 2), (2, 1), (2, 1), (0, 0)),
    ]


def test_nothing_found_and_nothing_there() -> None:
    nothing = np.empty(0), np.empty(0, bool)
    assert Ranking(*nothing, 3).average() == Ranking(*nothing, 3).area() == 0
    assert Ranking(*nothing, 0).average() is Ranking(*nothing, 0).area() is None


def test_an_evaluation() -> None:
    """Two cats, of which one is found exactly and one with an overlap of 0.6, and one that is not
    there; no dog is found, and one where there is none."""
    found = measured(
        (
            [TrueBox(0, 0, 100, 100, "cat")],
            [detection("cat", 0.9, 0, 0, 100, 100), detection("cat", 0.3, 200, 0, 250, 50)],
        ),
        (
            [TrueBox(0, 0, 100, 100, "CAT"), TrueBox(100, 100, 200, 200, "dog")],
            [detection("cat", 0.6, 0, 0, 60, 100)],
        ),
        ([], [detection("dog", 0.4, 0, 0, 50, 50)]),
    )
    assert (found.photos, found.unreadable, found.left_out) == (3, 0, {})
    cat, dog = found.figures()
    assert (cat.label, cat.things, dog.label, dog.things) == ("cat", 2, "dog", 1)
    assert (cat.ap50, cat.ap75, cat.ap50_area) == (1, pytest.approx(51 / 101), 1)
    # Overlaps 0.5, 0.55 and 0.6 have both.
    assert cat.ap == pytest.approx((3 + 7 * 51 / 101) / 10)
    assert (dog.ap, dog.ap50, dog.ap50_area) == (0, 0, 0)
    assert found.ap50 == found.ap50_area == 0.5
    assert found.ap == pytest.approx(cat.ap / 2)
    assert found.ap_of("large") == found.ap
    assert found.ap_of("small") is None
    quarter, half = found.counts(0.25), found.counts(0.5)
    assert quarter[1:] == (4, 2, 3)
    assert (half.precision, half.recall) == (1, pytest.approx(2 / 3))
    assert found.counts(0.25, "cat")[1:] == (3, 2, 2)
    none = found.counts(0.99, "dog")
    assert (none.precision, none.recall) == (None, 0)
    stated = found.to_dict()
    assert stated["ap50"] == 0.5
    assert stated["ap_small"] is None
    assert stated["classes"][0]["thresholds"][2]["precision"] == 1
    assert repr(found).startswith("<sqznet.DetectionEvaluation 3 photos, AP 0.3")


def test_a_photo_that_cannot_be_read_and_classes_that_are_not_known() -> None:
    photos = [
        true_photo(300, [TrueBox(0, 0, 0.5, 0.5, "dog"), TrueBox(0, 0, 1, 1, "bus")], True),
        true_photo(301, [TrueBox(0, 0, 10, 10, "dog")])._replace(found=Found("x", content=b"GIF")),
    ]
    seen: list[Any] = []
    detector: Any = KnownDetector({300: [detection("dog", 0.5, 0, 0, 150, 100)]})
    found = evaluate(detector, photos, seen.append)
    assert (found.photos, found.unreadable, found.left_out) == (1, 1, {"bus": 1})
    assert found.counts(0.5)[1:] == (1, 1, 1)  # parts of the photo have become pixels
    assert [photo.error is None for photo in seen] == [True, False]
    for boxes in ([], [TrueBox(0, 0, 9, 9, "bus")]):
        with pytest.raises(SqznetError, match=r"no box is of a class that .*expected some of cat"):
            evaluate(detector, [true_photo(300, boxes)], seen.append)


def test_the_overlaps() -> None:
    assert OVERLAPS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
