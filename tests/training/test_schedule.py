"""Learning rates, and how far a run has come."""

from __future__ import annotations

import pytest

from sqznet import SqznetError
from sqznet.training.schedule import Limits, rate_at


def test_the_rate_rises_and_then_falls() -> None:
    rates = [rate_at(step / 100) for step in range(101)]
    peak = rates.index(max(rates))
    assert rates[peak] == 1
    assert 0 < peak < 10
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[0] < 0.05
    assert 0 < rates[-1] < 0.05
    assert rate_at(2) == rates[-1]


def test_progress_is_that_of_the_limit_that_comes_first() -> None:
    assert Limits(epochs=10).progress(2.5, 1000) == 0.25
    assert Limits(seconds=60).progress(100, 15) == 0.25
    both = Limits(10, 60)
    assert both.progress(5, 15) == 0.5
    assert both.progress(1, 30) == 0.5
    assert both.progress(11, 0) == 1


@pytest.mark.parametrize(
    ("epochs", "seconds", "message"),
    [
        (None, None, "found neither"),
        (0, None, "epochs must be a whole number"),
        (1.5, None, "epochs must be a whole number"),
        (None, 0, "a time limit of 0 s"),
        (3, float("nan"), "a time limit of nan s"),
    ],
)
def test_limits_are_checked(epochs: int, seconds: float, message: str) -> None:
    with pytest.raises(SqznetError, match=message):
        Limits(epochs, seconds)
