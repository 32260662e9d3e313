"""Tables of labels that take other places on a terminal than they have characters."""

from __future__ import annotations

import pytest

from sqznet.cli.alignment import aligned, padded, width_of


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("cup", 3),
        ("größe", 5),
        ("茶杯", 4),
        ("🐱 cat", 6),
        ("コーヒー", 8),
        ("e\u0301", 1),
    ],
)
def test_the_places_that_a_text_takes(text: str, width: int) -> None:
    assert width_of(text) == width
    assert padded(text, 9) == text + " " * (9 - width)
    assert padded(text, 9, right=True) == " " * (9 - width) + text


def test_columns_line_up() -> None:
    table = [("1", "茶杯", "3"), ("10", "cup", "12"), ("2", "🐱 cat", "100")]
    lines = list(aligned(table, left=(1,)))
    assert lines == [" 1  茶杯      3", "10  cup      12", " 2  🐱 cat  100"]
    assert len({width_of(line) for line in lines}) == 1
