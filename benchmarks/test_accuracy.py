"""How the accuracy benchmark counts errors and different answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy
from benchmarks.material import MissingError

EXPECTED = np.array([[9.0, 8.0, 7.0, 6.0, 5.0, 4.9, 0.0]])


def test_an_error_is_in_parts_of_the_photos_largest_logit() -> None:
    found = EXPECTED + np.array([[0.0, -0.9, 0.1, 0.0, 0.0, 0.0, 0.0]])
    assert accuracy.errors(found, EXPECTED) == pytest.approx([0.1])


@pytest.mark.parametrize(("fifth", "sixth", "count"), [(4.8, 4.95, 0), (5.0, 4.9, 0)])
def test_what_rounding_excuses_is_no_other_answer(fifth: float, sixth: float, count: int) -> None:
    found = np.array([[9.0, 8.0, 7.0, 6.0, fifth, sixth, 0.0]])
    assert accuracy.other_top_five(found, EXPECTED) == count


def test_a_clear_order_must_be_kept() -> None:
    expected = np.array([[9.0, 8.0, 7.0, 6.0, 5.0, 1.0, 0.0]])
    found = np.array([[9.0, 8.0, 7.0, 6.0, 2.4, 2.5, 0.0]])
    assert accuracy.other_top_five(found, expected) == 1


def test_without_the_photos_it_says_what_is_absent(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"labels\.csv"):
        list(accuracy.measure(tmp_path))
