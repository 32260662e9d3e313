"""How answers become rows of csv and parquet: a row for each answer, or for each photo.

All begin with the path and end with the model. A cell without a value is "".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sqznet.files.paths import stored_text

if TYPE_CHECKING:
    from sqznet.answers import Prediction
    from sqznet.boxes import Detection


class Columns(Protocol):
    """The names of the columns, and the rows of a photo."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def rows(self, path: str, answers: Sequence[Any], model: str) -> list[list[Any]]: ...

    def is_first(self, row: Sequence[Any]) -> bool:
        """Whether a row, as it was read, is the first one of its photo."""
        ...


class _EachAnswer:
    """A row for each answer; a photo without one has a row with only path and model."""

    names: tuple[str, ...]

    def rows(self, path: str, answers: Sequence[Any], model: str) -> list[list[Any]]:
        name = stored_text(path)
        if not answers:
            return [[name, *[""] * (len(self.names) - 2), model]]
        return [
            [name, rank, *self.cells(answer), model] for rank, answer in enumerate(answers, start=1)
        ]

    def cells(self, answer: Any) -> list[Any]:
        """What stands between the rank and the model."""
        raise NotImplementedError

    def is_first(self, row: Sequence[Any]) -> bool:
        return row[1] in ("", None, "1", 1)


class RowEach(_EachAnswer):
    """Of predictions."""

    names = ("path", "rank", "label", "score", "index", "model")

    def cells(self, answer: Prediction) -> list[Any]:
        label, score, index = answer
        return [stored_text(label), rounded(score), index]


class BoxRows(_EachAnswer):
    """Of detections."""

    names = ("path", "rank", "label", "score", "index", "x0", "y0", "x1", "y1", "model")

    def cells(self, answer: Detection) -> list[Any]:
        label, score, index, box = answer
        return [stored_text(label), rounded(score), index, *map(rounded, box[:4])]


class OneRow:
    """A row for each photo, with three columns for each of its ``top`` predictions."""

    def __init__(self, top: int) -> None:
        ranks = range(1, top + 1)
        each = (f"{name}_{rank}" for rank in ranks for name in ("label", "score", "index"))
        self.names = ("path", *each, "model")

    def rows(self, path: str, answers: Sequence[Prediction], model: str) -> list[list[Any]]:
        row: list[Any] = [stored_text(path)]
        for label, score, index in answers:
            row += [stored_text(label), rounded(score), index]
        return [[*row, *[""] * (len(self.names) - 1 - len(row)), model]]

    def is_first(self, row: Sequence[Any]) -> bool:
        return True


def rounded(value: float) -> float:
    """Rounds to seven digits, the precision of float32 scores and boxes."""
    return float(f"{value:.7g}")
