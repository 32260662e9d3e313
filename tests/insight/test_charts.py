"""Charts: round numbers on axes, and places of values."""

from __future__ import annotations

import pytest

from sqznet.insight.charts import Axis, numbers, shares


def texts(axis: Axis) -> list[str]:
    return [text for _, text in axis.ticks]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0], ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ([0.93, 0.981], ["0.93", "0.94", "0.95", "0.96", "0.97", "0.98", "0.99"]),
        ([2e-5, 1e-4], ["2e-05", "4e-05", "6e-05", "8e-05", "0.0001"]),
        ([-3.0, 4.0], ["-4", "-2", "0", "2", "4"]),
        ([0.5], ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]),
        ([0.0], ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ([-2.0], ["-2", "-1.5", "-1", "-0.5", "0"]),
    ],
)
def test_numbers_on_an_axis_are_round_and_hold_all_values(
    values: list[float], expected: list[str]
) -> None:
    axis = numbers("x", values)
    assert texts(axis) == expected
    assert axis.low <= min(values)
    assert max(values) <= axis.high


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1], ["0", "1"]),
        ([1, 3], ["1", "2", "3"]),
        ([1, 100], ["0", "20", "40", "60", "80", "100"]),
    ],
)
def test_whole_numbers(values: list[float], expected: list[str]) -> None:
    assert texts(numbers("epoch", values, whole=True)) == expected


def test_the_place_of_a_share() -> None:
    axis = shares("recall")
    assert (axis.share(0), axis.share(0.25), axis.share(1)) == (0, 0.25, 1)
    assert texts(axis) == ["0 %", "25 %", "50 %", "75 %", "100 %"]
