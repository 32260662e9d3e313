"""Steadies the answers to a stream of frames.

Scores are averaged over time, newer frames counting more. With p the softmax scores of a frame,
dt the seconds since the frame before and tau the time constant, the average s becomes

    s + (1 - exp(-dt / tau)) * (p - s)

and is p itself for the first frame. It depends on time, not on the number of frames: a slow machine
and a quick one steady alike. The shown label changes only when its average has fallen below
(1 - hysteresis) of the best one's, so that two classes of nearly the same score do not take turns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import nlargest
from typing import TYPE_CHECKING

from sqznet.errors import SqznetError

if TYPE_CHECKING:
    from sqznet.answers import Prediction

# Averages below this are forgotten, so that the table stays small.
_NEGLIGIBLE = 1e-5


class Smoother:
    """The averages of one stream.

    tau: seconds, 0 or more; 0 averages nothing. hysteresis: from 0 to below 1; 0 always shows the
    best. Raises SqznetError for anything else.
    """

    def __init__(self, tau: float = 0.5, hysteresis: float = 0.3) -> None:
        if not (math.isfinite(tau) and tau >= 0):
            raise SqznetError(f"smoothing is {tau}, expected seconds, 0 or more")
        if not 0 <= hysteresis < 1:
            raise SqznetError(f"hysteresis is {hysteresis}, expected 0 or more and below 1")
        self._tau, self._hysteresis = tau, hysteresis
        self._average: dict[int, Prediction] = {}
        self._time = -math.inf
        self._shown: int | None = None

    def update(self, time: float, predictions: Sequence[Prediction]) -> None:
        """Take in the predictions of the frame of that second; classes left out score 0."""
        weight = 1.0
        if self._tau > 0 and self._average:
            weight = -math.expm1(-max(0.0, time - self._time) / self._tau)
        self._time = time
        average = {
            index: old._replace(score=score)
            for index, old in self._average.items()
            if (score := (1 - weight) * old.score) > _NEGLIGIBLE or index == self._shown
        }
        for new in predictions:
            old = average.get(new.index)
            score = weight * new.score + (0.0 if old is None else old.score)
            average[new.index] = new._replace(score=score)
        self._average = average
        best = self.top(1)[0]
        if self._shown is None or self.shown.score < (1 - self._hysteresis) * best.score:
            self._shown = best.index

    @property
    def shown(self) -> Prediction:
        """The label to show, with its average score. There is one after the first `update`."""
        assert self._shown is not None
        return self._average[self._shown]

    def top(self, count: int) -> list[Prediction]:
        """The best averages, best first."""
        return nlargest(count, self._average.values(), key=lambda p: (p.score, -p.index))
