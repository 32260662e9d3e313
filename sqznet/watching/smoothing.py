"""Averages the scores of a stream of frames over time.

Newer frames count more. With p the softmax scores of a frame, dt the seconds since the previous
frame and tau the time constant, the average s becomes

    s + (1 - exp(-dt / tau)) * (p - s)

and equals p for the first frame. It depends on time, not on the number of frames, so slow and fast
machines smooth alike. The shown label changes only when its average falls below (1 - hysteresis)
times the best average, so that it does not flicker between two classes with similar scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import nlargest
from typing import TYPE_CHECKING

from sqznet.errors import SqznetError

if TYPE_CHECKING:
    from sqznet.answers import Prediction

#: The defaults of `Smoother`.
SMOOTHING, HYSTERESIS = 0.5, 0.3

# Smaller averages are dropped, so that the table stays small.
_NEGLIGIBLE = 1e-5


class Smoother:
    """The averages of one stream.

    tau: seconds, at least 0; 0 means no averaging. hysteresis: at least 0 and below 1; 0 always
    shows the best class. Raises SqznetError for anything else.
    """

    def __init__(self, tau: float = SMOOTHING, hysteresis: float = HYSTERESIS) -> None:
        if not (math.isfinite(tau) and tau >= 0):
            raise SqznetError(f"smoothing is {tau}, expected seconds, 0 or more")
        if not 0 <= hysteresis < 1:
            raise SqznetError(f"hysteresis is {hysteresis}, expected 0 or more and below 1")
        self._tau, self._hysteresis = tau, hysteresis
        self._average: dict[int, Prediction] = {}
        self._time = -math.inf
        self._shown: int | None = None

    def update(self, time: float, predictions: Sequence[Prediction]) -> None:
        """Adds the predictions of the frame at ``time``; classes not in it have score 0."""
        weight = 1.0
        if self._tau > 0 and self._average:
            weight = -math.expm1(-max(0.0, time - self._time) / self._tau)
        self._time = time
        average = {
            index: old._replace(score=score)
            for index, old in self._average.items()
            if abs(score := (1 - weight) * old.score) > _NEGLIGIBLE or index == self._shown
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
        """The label to show with its average score. It exists after the first `update`."""
        assert self._shown is not None
        return self._average[self._shown]

    def top(self, count: int) -> list[Prediction]:
        """The classes with the best averages, best first."""
        return nlargest(count, self._average.values(), key=lambda p: (p.score, -p.index))
