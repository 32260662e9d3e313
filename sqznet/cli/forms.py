"""What is written about a photo: lines of a table, objects of JSON, rows of csv and parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from sqznet.answers import Predictions, score_text, share
from sqznet.cli.alignment import padded, width_of
from sqznet.cli.columns import BoxRows, Columns, RowEach, rounded
from sqznet.errors import printable
from sqznet.files.paths import stored_text

if TYPE_CHECKING:
    from sqznet.answers import Prediction
    from sqznet.boxes import Detection


class Form(Protocol):
    """How the answers of one kind are written."""

    @property
    def key(self) -> str:
        """The name of the list of answers in JSON."""
        ...

    @property
    def columns(self) -> Columns:
        """Of csv and parquet."""
        ...

    @property
    def formats(self) -> Mapping[str, Callable[[BinaryIO], Any]]:
        """The formats that only these answers have, each with what makes its `Writer`."""
        ...

    def item(self, answer: Any) -> dict[str, Any]:
        """An answer in JSON."""
        ...

    def lines(self, answers: Any) -> list[str]:
        """A line of text for each answer, or one that says that there is none."""
        ...

    def bars(self, answers: Any) -> list[float]:
        """The length of each answer's bar, in 0..1."""
        ...

    def for_eyes(self, answers: Any) -> Any:
        """The answers with labels that a terminal may show."""
        ...


class Labels:
    """Of `Predictions`: classes and scores."""

    key = "predictions"
    formats: Mapping[str, Callable[[BinaryIO], Any]] = {}

    def __init__(self, columns: Columns | None = None) -> None:
        self.columns = columns or RowEach()

    def item(self, answer: Prediction) -> dict[str, Any]:
        label, score, index = answer
        return {"label": stored_text(label), "score": rounded(score), "index": index}

    def lines(self, answers: Predictions) -> list[str]:
        scores = [score_text(answer.score, answers.activation) for answer in answers]
        return _ranked(answers, scores, [""] * len(answers)) or ["  no class has this score"]

    def bars(self, answers: Predictions) -> list[float]:
        return [share(answer.score, answers.activation) for answer in answers]

    def for_eyes(self, answers: Predictions) -> Predictions:
        shown = (p._replace(label=printable(p.label)) for p in answers)
        return Predictions(shown, answers.activation)


class Boxes:
    """Of Detections: classes, scores and boxes. ``formats``: see `Form`."""

    key = "detections"

    def __init__(self, formats: Mapping[str, Callable[[BinaryIO], Any]]) -> None:
        self.columns: Columns = BoxRows()
        self.formats = formats

    def item(self, answer: Detection) -> dict[str, Any]:
        return {
            "label": stored_text(answer.label),
            "score": rounded(answer.score),
            "index": answer.index,
            "box": [rounded(side) for side in answer.box[:4]],
        }

    def lines(self, answers: Sequence[Detection]) -> list[str]:
        scores = [score_text(answer.score, "sigmoid") for answer in answers]
        sides = [[f"{side:.0f}" for side in answer.box[:4]] for answer in answers]
        widths = [max(map(len, column)) for column in zip(*sides, strict=True)]
        places = []
        for row in sides:
            x0, y0, x1, y1 = (side.rjust(width) for side, width in zip(row, widths, strict=True))
            places.append(f"  columns {x0} to {x1}, rows {y0} to {y1}")
        return _ranked(answers, scores, places) or ["  nothing found"]

    def bars(self, answers: Sequence[Detection]) -> list[float]:
        return [answer.score for answer in answers]

    def for_eyes(self, answers: Sequence[Detection]) -> list[Detection]:
        return [answer._replace(label=printable(answer.label)) for answer in answers]


def _ranked(
    answers: Sequence[Prediction] | Sequence[Detection], scores: Iterable[str], more: Iterable[str]
) -> list[str]:
    """Aligned lines: rank, label, score (in percent, or a value), and what follows."""
    rank_width = len(str(len(answers)))
    labels = [printable(answer.label) for answer in answers]
    label_width = max(map(width_of, labels), default=0)
    return [
        f"  {rank:>{rank_width}}  {padded(label, label_width)}  {score:>8}{rest}"
        for rank, (label, score, rest) in enumerate(zip(labels, scores, more, strict=True), start=1)
    ]
