"""How far scores can be trusted: bins, the calibration error, and their picture."""

from __future__ import annotations

import numpy as np
import pytest

from sqznet.insight.reliability import draw, reliability


def test_scores_that_are_right_as_often_as_they_say_have_no_error() -> None:
    scores = np.repeat([0.25, 0.75], 4)
    correct = np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)
    found = reliability(scores, correct)
    assert found.error == 0
    assert [(row.photos, row.correct) for row in found.bins if row.photos] == [(4, 0.25), (4, 0.75)]


def test_the_error_is_the_mean_distance_by_photos() -> None:
    found = reliability(np.array([1.0, 1.0, 1.0, 0.55]), np.array([True, True, False, True]))
    assert found.bins[9].photos == 3  # the last bin has its upper end
    assert found.error == pytest.approx((3 * (1 - 2 / 3) + 0.45) / 4)


def test_no_photos_give_no_error() -> None:
    assert reliability(np.empty(0), np.empty(0, bool)).error == 0


@pytest.mark.usefixtures("draws_text")
def test_a_bar_ends_at_the_share_of_right_answers() -> None:
    """In the bin of scores near 0.95, half are right: the mark stands above the bar."""
    picture = np.asarray(draw(reliability(np.full(8, 0.95), np.arange(8) < 4))).astype(int)
    green = (picture == (24, 111, 101)).all(axis=2).sum(axis=0).max()
    assert green == pytest.approx(280, abs=3)
    mark, bar = (
        np.nonzero((picture == color).all(axis=2))[0] for color in ((194, 65, 124), (24, 111, 101))
    )
    assert bar.min() - mark.mean() == pytest.approx(0.45 * 560, abs=4)
