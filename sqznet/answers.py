"""The answers of a classifier, and the interface of every classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from sqznet.errors import SqznetError, checked_count

_ROW = (
    '<tr><td style="text-align:left">{label}</td>'
    '<td style="text-align:left;min-width:12em"><div style="background:#c2417c;border-radius:3px;'
    'height:0.8em;width:{width:.2f}%;min-width:1px"></div></td>'
    '<td style="text-align:right">{percent:.2f}&nbsp;%</td></tr>'
)


class Prediction(NamedTuple):
    """One answer: the name of the class, its softmax score in 0..1 and its index."""

    label: str
    score: float
    index: int  # type: ignore[assignment]  # hides tuple.index, which is not needed here


class Predictions(list[Prediction]):
    """A list of Predictions that a notebook displays as a table with bars."""

    def _repr_html_(self) -> str:
        from html import escape

        rows = (
            _ROW.format(label=escape(p.label), width=100 * p.score, percent=100 * p.score)
            for p in self
        )
        return f"<table>{''.join(rows)}</table>"


class Classifier(Protocol):
    """A ``Model`` or a ``Recognizer``: what code needs that works with both."""

    @property
    def threads(self) -> int: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def fingerprint(self) -> str:
        """Its kind, and a hash of all that decides its answers: weights, preprocessing, wiring and
        labels, but not the instruction set and the threads."""
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

    def alone(self) -> Classifier:
        """The same classifier for use from several threads: each call runs on its own thread."""
        ...


def checked_top(top: int, classes: int) -> int:
    count = checked_count("top", top)
    if classes == 0:
        raise SqznetError("these weights have no classifier: they can embed() and learn()")
    return min(count, classes)
