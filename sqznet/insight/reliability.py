"""How far scores can be trusted: of a hundred answers with a score of 80 %, eighty should be right.

Answers are put into bins by their score (reliability diagrams and the expected calibration error:
Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqznet.insight import painting
from sqznet.insight.charts import GAP, PITCH, Chart, numbers, shares
from sqznet.insight.painting import FAINT, HEAD, MARGIN, PAPER, RIGHT, WRONG

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

_BINS = 10

_WIDTH, _HEIGHT = 560, 560  # of the chart
_PHOTOS = 140  # the height of the chart of photos
_MARK = 7  # the width of the line at a mean score
_BETWEEN = 0.003  # half of the room between two bars


class Bin(NamedTuple):
    """The answers whose scores are from ``low`` to ``high``: how many there are, their mean score,
    and the share that is right; 0 where there is none."""

    low: float
    high: float
    photos: int
    score: float
    correct: float


class Reliability(NamedTuple):
    """bins: in the order of scores. error: the expected calibration error, the mean distance of
    score and share of right answers, by photos: 0..1."""

    bins: tuple[Bin, ...]
    error: float


def reliability(
    scores: npt.NDArray[np.floating[Any]], correct: npt.NDArray[np.bool_]
) -> Reliability:
    """Compares the scores of answers, (photos,) in 0..1, with whether they are right, (photos,), in
    ten bins of the same width."""
    import numpy as np

    places = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    bins = []
    for number in range(_BINS):
        inside = places == number
        count = int(inside.sum())
        score, share = (float(v[inside].sum()) / max(count, 1) for v in (scores, correct))
        bins.append(Bin(number / _BINS, (number + 1) / _BINS, count, score, share))
    gaps = sum(row.photos * abs(row.correct - row.score) for row in bins)
    return Reliability(tuple(bins), gaps / max(len(scores), 1))


def draw(found: Reliability) -> Image.Image:
    """An image (RGB): for each bin a bar up to the share of right answers, a mark at their mean
    score, where it should end, and below how many photos it has.

    Raises SqznetError if this Pillow cannot draw text.
    """
    from PIL import Image, ImageDraw

    counts = [row.photos for row in found.bins]
    upper = Chart(_WIDTH, _HEIGHT, shares(""), shares("right answers"))
    lower = Chart(_WIDTH, _PHOTOS, shares("score"), numbers("photos", [0, *counts], True, 3))
    for row in found.bins:
        if row.photos:
            left, right = row.low + _BETWEEN, row.high - _BETWEEN
            upper.bar((left, 0), (right, row.correct), RIGHT)
            upper.line([(left, row.score), (right, row.score)], WRONG, _MARK)
            lower.bar((left, 0), (right, row.photos), FAINT)
    dashes = [step / 40 for step in range(0, 40, 2)]
    for start in dashes:
        upper.line([(start, start), (start + 1 / 40, start + 1 / 40)], FAINT, 2)
    title = f"Calibration error {100 * found.error:.1f} %"
    note = f"{sum(counts)} photos; bars should end at the marks, the mean scores"
    left, top = MARGIN + max(upper.left, lower.left), HEAD + PITCH + GAP
    second = top + _HEIGHT + 3 * PITCH + GAP
    width = max(left + _WIDTH + MARGIN, painting.head_width(title, note))
    canvas = Image.new("RGB", (width, second + _PHOTOS + lower.below + MARGIN // 2), PAPER)
    painting.write_head(ImageDraw.Draw(canvas), title, note)
    upper.paste(canvas, left, top)
    lower.paste(canvas, left, second)
    return canvas
