"""The picture of a confusion matrix: readable for few and for many classes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sqznet.insight.confusion import draw
from sqznet.insight.evaluation import Evaluation

pytestmark = pytest.mark.usefixtures("draws_text")


def evaluation(classes: int, wrong: int = 1) -> Evaluation:
    """One in which the first class is also taken for the last one."""
    labels = [f"class number {i}" for i in range(classes)]
    counts = {label: Counter({label: 8}) for label in labels}
    counts[labels[0]][labels[-1]] = wrong
    return Evaluation(counts, {}, dict.fromkeys(labels, 8), 0)


def last_columns(classes: int, wrong: int) -> npt.NDArray[Any]:
    """The right end of the matrix, below the title."""
    return np.asarray(draw(evaluation(classes, wrong)))[130:, -140:-48].astype(int)


@pytest.mark.parametrize("classes", [12, 30, 50])
def test_counts_are_written(classes: int) -> None:
    """A cell with 3 and one with 4 differ by more than their shade: in the ink of the digit."""
    difference = last_columns(classes, 3) - last_columns(classes, 4)
    assert np.abs(difference).max() > 100


def test_very_many_classes_have_small_cells_without_counts() -> None:
    assert draw(evaluation(100)).width < 100 * 14 + 500


def test_its_cells_shrink_with_the_number_of_classes() -> None:
    widths = [draw(evaluation(classes)).width / classes for classes in (4, 12, 30, 60)]
    assert widths == sorted(widths, reverse=True)
