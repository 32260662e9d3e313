"""Measures the accuracy of a model on photos with known classes: a folder with one sub-folder per
class, named like the class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqznet.batch.photos import classify_files
from sqznet.errors import SqznetError, printable
from sqznet.images.finding import Found
from sqznet.insight.class_names import class_names
from sqznet.notebook import table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sqznet.answers import Classifier
    from sqznet.batch.photos import FileResult

#: Answers that are not a class of the folder: another class of the model, or no class.
OTHER, UNKNOWN = "(another)", "(unknown)"


#: An answer is near if the true class is among this many.
NEAR = 5


class ClassFigures(NamedTuple):
    """What became of the photos of one class: their number, how many were given it (correct), and
    how many have it among their best `NEAR` answers (near). recall: correct / photos. precision:
    the share of the photos given the class that belong to it; None if none was. confused_with: the
    most frequent wrong answer, "" if there is none; confused: how often it was given."""

    label: str
    photos: int
    correct: int
    near: int
    recall: float
    precision: float | None
    confused_with: str
    confused: int


@dataclass(frozen=True)
class Evaluation:
    """The answers of a model to photos with known classes.

    counts: for each class that the model knows, how often each answer was given: a class of the
    folder, OTHER or UNKNOWN. unknown_counts: the same for classes of the folder that the model does
    not know; for them UNKNOWN is correct. near_counts: how many photos of each known class have it
    among their best `NEAR` answers. unreadable: how many photos could not be read.
    """

    counts: Mapping[str, Counter[str]]
    unknown_counts: Mapping[str, Counter[str]]
    near_counts: Mapping[str, int]
    unreadable: int

    def __repr__(self) -> str:
        return (
            f"<sqznet.Evaluation {self.correct} of {self.total} correct, "
            f"{len(self.counts)} classes>"
        )

    def _repr_html_(self) -> str:
        """As a notebook displays it: the accuracy, then a row for each class."""
        overall = (f"{self.correct} of {self.total} correct", f"{self.accuracy:.1%}")
        return table([overall]) + table(self.figures(), ClassFigures._fields)

    @property
    def total(self) -> int:
        """The number of readable photos of the classes that the model knows."""
        return sum(counter.total() for counter in self.counts.values())

    @property
    def correct(self) -> int:
        """How many of those were given their true class."""
        return sum(counter[label] for label, counter in self.counts.items())

    @property
    def near(self) -> int:
        """How many of them have their true class among the best `NEAR` answers."""
        return sum(self.near_counts.values())

    @property
    def accuracy(self) -> float:
        """correct / total, the top-1 accuracy: 0..1."""
        return self.correct / max(self.total, 1)

    @property
    def top5_accuracy(self) -> float:
        """near / total: 0..1."""
        return self.near / max(self.total, 1)

    @property
    def answers(self) -> list[str]:
        """The classes that the model knows, then OTHER and UNKNOWN if they were given."""
        given: Counter[str] = Counter()
        for counter in (*self.counts.values(), *self.unknown_counts.values()):
            given += counter
        extra = [answer for answer in (OTHER, UNKNOWN) if given[answer]]
        return [*self.counts, *extra]

    def recall(self, label: str) -> float:
        """The share of a class's photos that were given this class: 0..1."""
        counter = self.counts[label]
        return counter[label] / max(counter.total(), 1)

    def precision(self, label: str) -> float | None:
        """The share of the photos given a class that belong to it: 0..1; None if there are none."""
        rows = (*self.counts.values(), *self.unknown_counts.values())
        named = sum(counter[label] for counter in rows)
        return self.counts[label][label] / named if named else None

    def found_unknown(self) -> tuple[int, int]:
        """For photos of classes that the model does not know: how many were called unknown, and how
        many there are."""
        rows = self.unknown_counts.values()
        return sum(row[UNKNOWN] for row in rows), sum(row.total() for row in rows)

    def figures(self) -> list[ClassFigures]:
        """A row for each class that the model knows; `pandas.DataFrame` takes the list."""
        rows = []
        for label, counter in self.counts.items():
            wrong = [(count, name) for name, count in counter.items() if name != label]
            confused, confused_with = max(wrong, default=(0, ""), key=lambda item: item[0])
            rows.append(
                ClassFigures(
                    label,
                    counter.total(),
                    counter[label],
                    self.near_counts[label],
                    self.recall(label),
                    self.precision(label),
                    confused_with,
                    confused,
                )
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain lists, dicts, strings and numbers, as in JSON."""
        found, unknown = self.found_unknown()
        return {
            "photos": self.total,
            "correct": self.correct,
            "near": self.near,
            "accuracy": self.accuracy,
            "top5_accuracy": self.top5_accuracy,
            "unreadable": self.unreadable,
            "other_photos": unknown,
            "other_photos_called_unknown": found,
            "classes": [
                {**row._asdict(), "answers": dict(self.counts[row.label])} for row in self.figures()
            ],
            "other_classes": [
                {"label": label, "photos": counter.total(), "answers": dict(counter)}
                for label, counter in self.unknown_counts.items()
            ],
        }


def evaluate(
    model: Classifier,
    classes: Mapping[str, Sequence[str]],
    seen: Callable[[FileResult], None],
) -> Evaluation:
    """Classifies files with known classes by a model or a Recognizer.

    classes: the files of each class, by label. A label is the name of a class of the model, also in
    other letters (``great_white_shark``), or WordNet's number of a class of ImageNet
    (``n01484850``). ``seen`` is called with each result as it arrives.
    Raises SqznetError if the model knows none of the classes.
    """
    names = class_names(model.labels, classes)
    known = {label: Counter[str]() for label in model.labels if label in names.values()}
    unknown = {label: Counter[str]() for label in classes if names[label] is None}
    if not known:
        few = ", ".join(printable(label) for label in list(classes)[:3])
        raise SqznetError(f"the model has no class with the name of a folder ({few} ...)")
    near = dict.fromkeys(known, 0)
    unreadable = 0
    truths = [label for label, files in classes.items() for _ in files]
    with closing(_results(model, classes)) as results:
        for label, result in zip(truths, results, strict=True):
            seen(result)
            name = names[label]
            if result.error is not None:
                unreadable += 1
            elif name is None:
                unknown[label][_answer(result, known)] += 1
            else:
                known[name][_answer(result, known)] += 1
                near[name] += any(p.label == name and p.index >= 0 for p in result.predictions)
    return Evaluation(known, unknown, near, unreadable)


def evaluation_of(
    scores: npt.NDArray[np.floating[Any]],
    truths: npt.NDArray[np.integer[Any]],
    names: Sequence[str],
) -> Evaluation:
    """An evaluation of scores (photos, classes) of photos with known classes. ``truths``: their
    numbers, (photos,), into ``names``."""
    import numpy as np

    counts = {name: Counter[str]() for name in names}
    near = dict.fromkeys(names, 0)
    best = scores.argmax(axis=1)
    own = np.take_along_axis(scores, truths[:, None], axis=1)
    above = (scores > own).sum(axis=1)
    for truth, answer, better in zip(truths, best, above, strict=True):
        counts[names[truth]][names[answer]] += 1
        near[names[truth]] += int(better < NEAR)
    return Evaluation(counts, {}, near, 0)


def _results(
    model: Classifier, classes: Mapping[str, Sequence[str]]
) -> Generator[FileResult, None, None]:
    found = (Found(os.fspath(path)) for files in classes.values() for path in files)
    return classify_files(model, found, NEAR)


def _answer(result: FileResult, known: Mapping[str, object]) -> str:
    best = result.predictions[0]
    if best.index < 0:
        return UNKNOWN
    return best.label if best.label in known else OTHER
