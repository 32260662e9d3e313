"""The figures of a trained classifier: how it answers the photos of the validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sqznet.insight.evaluation import OTHER, Evaluation, evaluation_of
from sqznet.insight.reliability import Reliability, reliability

Scores = npt.NDArray[np.floating[Any]]
Numbers = npt.NDArray[np.integer[Any]] | Sequence[int]

#: The most classes in the table of counts, and the most photos among the hardest.
MOST_CLASSES, MOST_PHOTOS = 40, 24

# How many deviations to both sides hold 95 % of a normal distribution.
_DEVIATIONS = 1.96
_LEAST = 1e-12  # of a probability whose logarithm is taken


class Hard(NamedTuple):
    """A validation photo: its path, its class, the class that it was given, and the scores of
    both, 0..1."""

    path: str
    label: str
    label_score: float
    answer: str
    answer_score: float


class Figures(NamedTuple):
    """What the validation photos say. interval: of the accuracy, with 95 % confidence. log_loss:
    the mean of -log(score of the true class), in nats. hardest: the photos whose own class has the
    lowest scores, the lowest first."""

    evaluation: Evaluation
    interval: tuple[float, float]
    log_loss: float
    reliability: Reliability
    hardest: tuple[Hard, ...]


def measured(
    scores: Scores, labels: Numbers, names: Sequence[str], photos: Sequence[str]
) -> Figures:
    """The figures of the photos of a validation: ``scores``, float (photos, classes), the
    probabilities of all classes; ``labels``, int (photos,), their classes; ``names``, those of the
    classes; ``photos``, their paths."""
    truths = np.asarray(labels, np.int64)
    evaluation = evaluation_of(scores, truths, names)
    rows = np.arange(len(truths))
    answers = scores.argmax(axis=1)
    own, best = scores[rows, truths], scores[rows, answers]
    order = np.argsort(own, kind="stable")[:MOST_PHOTOS]
    hardest = tuple(
        Hard(photos[i], names[truths[i]], float(own[i]), names[answers[i]], float(best[i]))
        for i in order
    )
    loss = float(-np.log(np.maximum(own, _LEAST)).mean()) if len(truths) else 0.0
    interval = wilson(evaluation.correct, evaluation.total)
    found = reliability(best, answers == truths)
    return Figures(evaluation, interval, loss, found, hardest)


def wilson(correct: int, total: int) -> tuple[float, float]:
    """The interval that holds a share with 95 % confidence, of which ``total`` samples were seen
    (Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927)."""
    if not total:
        return 0.0, 1.0
    share, z2 = correct / total, _DEVIATIONS**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _DEVIATIONS / (1 + z2 / total) * sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def most_mixed_up(evaluation: Evaluation, most: int = MOST_CLASSES) -> Evaluation:
    """The evaluation of the classes with most wrong answers, in the order of all; of others where
    there are no more classes than ``most``. Answers of further classes become OTHER."""
    wrong: Counter[str] = Counter(dict.fromkeys(evaluation.counts, 0))
    for label, counter in evaluation.counts.items():
        for answer, count in counter.items():
            if answer != label:
                wrong[label] += count
                wrong[answer] += count
    kept = {label for label, _ in wrong.most_common(most)}
    counts = {}
    for label, counter in evaluation.counts.items():
        if label in kept:
            counts[label] = Counter({a: n for a, n in counter.items() if a in kept})
            counts[label][OTHER] = counter.total() - counts[label].total()
    near = {label: evaluation.near_counts[label] for label in counts}
    return Evaluation(counts, {}, near, 0)
