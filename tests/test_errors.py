"""Checking values, and formatting them for messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sqznet.errors import SqznetError, checked_count, printable, reason_of, shown, whole_number


class Five:
    def __index__(self) -> int:
        return 5


@pytest.mark.parametrize("five", [5, Five(), np.int8(5), np.uint64(5), np.array(5)])
def test_integers_of_any_library_are_whole_numbers(five: Any) -> None:
    assert whole_number(five) == 5
    assert type(whole_number(five)) is int
    assert checked_count("top", five, 5) == 5


@pytest.mark.parametrize("value", [True, False, 5.0, np.float32(5), "5", None, [5], np.array([5])])
def test_nothing_else_is_a_whole_number(value: Any) -> None:
    assert whole_number(value) == 0
    with pytest.raises(SqznetError, match="top must be a whole number"):
        checked_count("top", value)


def test_how_many_there_may_be() -> None:
    assert checked_count("top", 10**30) == 10**30
    for value, most, message in (
        (0, None, "every must be a whole number from 1 up, not 0"),
        (-3, None, "every must be a whole number from 1 up, not -3"),
        (1025, 1024, "every must be a whole number from 1 to 1024, not 1025"),
        (0, 1024, "every must be a whole number from 1 to 1024, not 0"),
    ):
        with pytest.raises(SqznetError) as caught:
            checked_count("every", value, most)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("café.jpg", None, "café.jpg"),
        ("a\nb\x1b[2J\ud800", None, r"a\nb\x1b[2J\ud800"),
        ("x" * 61, None, "x" * 61),
        ("x" * 60, 60, "x" * 60),
        ("x" * 61, 60, "x" * 60 + "..."),
        ("\n\n\n", 2, r"\n\n..."),
        ("", 2, ""),
    ],
)
def test_text_in_a_message(text: str, most: int | None, expected: str) -> None:
    assert printable(text, most) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("café", r"'caf\xe9'"),
        ("a\nb", r"'a\nb'"),
        ("x" * 60, f"'{'x' * 60}'"),
        ("x" * 61, f"'{'x' * 60}'..."),
        (b"x" * 61, f"b'{'x' * 60}'..."),
        (1.5, "1.5"),
        (True, "True"),
        (None, "None"),
        (2**127, str(2**127)),
        (-(2**1000), "an integer of 1001 bits"),
        (["x" * 10**6], "a list"),
        ({}, "a dict"),
    ],
)
def test_a_value_in_a_message(value: Any, expected: str) -> None:
    assert shown(value) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(2, "No such file", "a.jpg"), "No such file"),
        (OSError("broken"), "broken"),
        (ValueError("embedded null byte"), "embedded null byte"),
        ("a name that is not known", "a name that is not known"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_the_reason_of_an_error(error: Any, expected: str) -> None:
    assert reason_of(error) == expected
