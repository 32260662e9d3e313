"""The answers of a classifier, and the interface of every classifier."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from sqznet.errors import SqznetError, checked_count

_ROW = (
    '<tr><td style="text-align:left">{label}</td>'
    '<td style="text-align:left;min-width:12em"><div style="background:#c2417c;border-radius:3px;'
    'height:0.8em;width:{width:.2f}%;min-width:1px"></div></td>'
    '<td style="text-align:right">{percent:.2f}&nbsp;%</td></tr>'
)


_VALUE_ROW = (
    '<tr><td style="text-align:left">{label}</td><td style="text-align:right">{value}</td></tr>'
)


class Prediction(NamedTuple):
    """One answer: the name of the class, its score and its index.

    The score is in 0..1: a softmax, or, where several labels may be true, a sigmoid. Without an
    activation, as for a regression, it is the network's output.
    """

    label: str
    score: float
    index: int  # type: ignore[assignment]  # hides tuple.index, which is not needed here


class Predictions(list[Prediction]):
    """A list of Predictions that a notebook displays as a table, with bars for scores in 0..1.

    ``activation``: what made the scores, "softmax", "sigmoid" or "none".
    """

    def __init__(self, predictions: Iterable[Prediction] = (), activation: str = "softmax") -> None:
        super().__init__(predictions)
        self.activation = activation

    def _repr_html_(self) -> str:
        from html import escape

        rows = (
            _VALUE_ROW.format(label=escape(p.label), value=score_text(p.score, self.activation))
            if self.activation == "none"
            else _ROW.format(label=escape(p.label), width=100 * p.score, percent=100 * p.score)
            for p in self
        )
        return f"<table>{''.join(rows)}</table>"


class PredictionLists(list[list[Prediction]]):
    """The Predictions of several photos, which a notebook displays as a table: a row for each, with
    its number and its best answers."""

    SHOWN = 3

    def _repr_html_(self) -> str:
        from sqznet.notebook import table  # takes time that a first answer does not need

        rows = []
        for number, found in enumerate(self):
            activation = getattr(found, "activation", "softmax")
            best = found[: self.SHOWN]
            rows.append((number, *(f"{p.label} {score_text(p.score, activation)}" for p in best)))
        most = max((len(row) - 1 for row in rows), default=0)
        return table(rows, ("photo", *map(str, range(1, most + 1))))


def summed(predictions: Sequence[Prediction], names: Sequence[str], top: int) -> list[Prediction]:
    """The ``top`` best names, with the sums of the scores of the classes that share each.

    ``predictions``: those of all classes, best first; ``names``: that of each class by its index.
    The index of an answer is that of its most likely class.
    """
    best: dict[str, int] = {}
    sums: dict[str, float] = {}
    for _, score, index in predictions:
        name = names[index]
        best.setdefault(name, index)
        sums[name] = sums.get(name, 0.0) + score
    ranking = sorted(sums, key=lambda name: -sums[name])[:top]
    return [Prediction(name, min(1.0, sums[name]), best[name]) for name in ranking]


def score_text(score: float, activation: str, decimals: int = 2) -> str:
    """A score for people: in percent, or the value itself where there is no activation."""
    return f"{score:.5g}" if activation == "none" else f"{100 * score:.{decimals}f} %"


def share(score: float, activation: str) -> float:
    """The length of a score's bar, in 0..1: 0 for a value that is not a probability."""
    return 0.0 if activation == "none" else min(1.0, max(0.0, score))


def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-logit)), without overflow."""
    e = math.exp(-abs(logit))
    return (1.0 if logit >= 0 else e) / (1.0 + e)


class Pooled(Protocol):
    """A model that several threads may use: each has its own pool of threads."""

    @property
    def threads(self) -> int: ...

    def alone(self) -> Any:
        """The same model for use from several threads: each call runs on its own thread."""
        ...


class Classifier(Pooled, Protocol):
    """A ``Model`` or a ``Recognizer``: what code needs that works with both."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def fingerprint(self) -> str:
        """Its kind, and a hash of all that decides its answers: weights, preprocessing, wiring and
        labels, but not the instruction set and the threads."""
        ...

    @property
    def activation(self) -> str:
        """What makes the scores: "softmax", "sigmoid" or "none"."""
        ...

    def classify(
        self,
        images: Any,
        top: int = 5,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> Any: ...

    def classify_each(
        self, images: Sequence[Any], top: int, fast_decode: bool = False
    ) -> list[list[Prediction] | SqznetError]:
        """The predictions for each image, or its error."""
        ...


def checked_top(top: int, classes: int) -> int:
    count = checked_count("top", top)
    if classes == 0:
        raise SqznetError("these weights have no classifier: they can embed() and learn()")
    return min(count, classes)
