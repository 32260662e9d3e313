"""Averages over time, and stable labels."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from sqznet import Prediction, SqznetError
from sqznet.watching.smoothing import Smoother


def scores(**values: float) -> list[Prediction]:
    return [Prediction(label, score, ord(label)) for label, score in values.items()]


def test_the_formula() -> None:
    smoother = Smoother(tau=0.5, hysteresis=0)
    smoother.update(3.0, scores(a=0.8, b=0.2))
    assert smoother.top(2) == scores(a=0.8, b=0.2)
    smoother.update(3.25, scores(b=1.0))
    weight = 1 - math.exp(-0.25 / 0.5)
    expected = {"a": (1 - weight) * 0.8, "b": (1 - weight) * 0.2 + weight}
    for prediction in smoother.top(5):
        assert prediction.score == pytest.approx(expected[prediction.label])
    assert smoother.shown.label == max(expected, key=lambda label: expected[label])


def test_time_counts_not_the_number_of_frames() -> None:
    few, many = Smoother(tau=1.0), Smoother(tau=1.0)
    for smoother, steps in ((few, 2), (many, 50)):
        smoother.update(0.0, scores(a=1.0))
        for i in range(steps):
            smoother.update((i + 1) / steps, scores(b=1.0))
    assert few.top(1)[0].score == pytest.approx(many.top(1)[0].score)


def changes(smoother: Smoother, frames: list[list[Prediction]]) -> int:
    shown = []
    for i, frame in enumerate(frames):
        smoother.update(i / 25, frame)
        shown.append(smoother.shown.label)
    return sum(a != b for a, b in pairwise(shown))


def test_two_alternating_classes_do_not_flicker() -> None:
    turns = [scores(a=0.5 + s, b=0.5 - s) for i in range(200) for s in [0.2 * (-1) ** i]]
    assert changes(Smoother(0, 0), turns) == 199
    assert changes(Smoother(0, 0.3), turns) == 199  # 0.3 is less than 70 % of 0.7
    assert changes(Smoother(0.5, 0.3), turns) == 0
    slow = [scores(a=0.5 + s, b=0.5 - s) for i in range(500) for s in [0.05 * math.sin(i / 9)]]
    assert changes(Smoother(0.1, 0), slow) > 5
    assert changes(Smoother(0.1, 0.3), slow) == 0


def test_a_real_change_is_shown_quickly_and_once() -> None:
    frames = [scores(a=0.9, b=0.1)] * 50 + [scores(a=0.1, b=0.9)] * 50
    assert changes(Smoother(), frames) == 1
    smoother = Smoother()
    for i in range(50):
        smoother.update(i / 25, scores(a=0.9, b=0.1))
    seconds = 0
    while smoother.shown.label == "a":
        seconds += 1
        smoother.update(2 + seconds / 25, scores(a=0.1, b=0.9))
    assert 0.3 < seconds / 25 < 0.6


def test_no_label_outlives_its_score() -> None:
    smoother = Smoother(tau=0.1)
    smoother.update(0, scores(a=1.0))
    smoother.update(100, scores(b=0.02, c=0.01))
    assert smoother.shown.label == "b"


def test_time_that_goes_back_or_stands_still_counts_as_zero() -> None:
    smoother = Smoother()
    smoother.update(5, scores(a=1.0))
    smoother.update(5, scores(b=1.0))
    smoother.update(4, scores(b=1.0))
    assert smoother.shown == Prediction("a", 1.0, ord("a"))


def test_negligible_averages_are_dropped() -> None:
    smoother = Smoother(tau=0.1)
    for i in range(1000):
        smoother.update(i, [Prediction(str(i), 1.0, i)])
    assert len(smoother.top(10_000)) < 5


@pytest.mark.parametrize(
    ("tau", "hysteresis"), [(-1, 0.3), (math.nan, 0.3), (math.inf, 0.3), (1, 1), (1, -0.1)]
)
def test_wrong_settings_are_refused(tau: float, hysteresis: float) -> None:
    with pytest.raises(SqznetError, match=r"smoothing|hysteresis"):
        Smoother(tau, hysteresis)
