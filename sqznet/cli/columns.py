"""How predictions become rows of csv and parquet: a row for each prediction, or for each photo.

Both begin with the path and end with the model. A cell without a value is "".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sqznet.answers import Prediction


class Columns(Protocol):
    """The names of the columns, and the rows of a photo."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def rows(self, path: str, predictions: Sequence[Prediction], model: str) -> list[list[Any]]: ...

    def is_first(self, row: Sequence[Any]) -> bool:
        """Whether a row, as it was read, is the first one of its photo."""
        ...


class RowEach:
    """A row for each prediction; a photo without a prediction has one with only path and model."""

    names = ("path", "rank", "label", "score", "index", "model")

    def rows(self, path: str, predictions: Sequence[Prediction], model: str) -> list[list[Any]]:
        name = stored_text(path)
        if not predictions:
            return [[name, "", "", "", "", model]]
        return [
            [name, rank, stored_text(label), rounded(score), index, model]
            for rank, (label, score, index) in enumerate(predictions, start=1)
        ]

    def is_first(self, row: Sequence[Any]) -> bool:
        return row[1] in ("", None, "1", 1)


class OneRow:
    """A row for each photo, with three columns for each of its ``top`` predictions."""

    def __init__(self, top: int) -> None:
        ranks = range(1, top + 1)
        each = (f"{name}_{rank}" for rank in ranks for name in ("label", "score", "index"))
        self.names = ("path", *each, "model")

    def rows(self, path: str, predictions: Sequence[Prediction], model: str) -> list[list[Any]]:
        row: list[Any] = [stored_text(path)]
        for label, score, index in predictions:
            row += [stored_text(label), rounded(score), index]
        return [[*row, *[""] * (len(self.names) - 1 - len(row)), model]]

    def is_first(self, row: Sequence[Any]) -> bool:
        return True


def stored_text(text: str) -> str:
    """A path or a label with backslash escapes for what is not text, such as bytes of a file name
    that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def rounded(score: float) -> float:
    """Rounds to seven digits, the precision of float32 scores."""
    return float(f"{score:.7g}")
