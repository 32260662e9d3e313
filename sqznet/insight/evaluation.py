"""Measures the accuracy of a model on photos with known classes: a folder with one sub-folder per
class, named like the class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqznet.batch.photos import classify_files
from sqznet.errors import SqznetError, printable
from sqznet.images.finding import Found

if TYPE_CHECKING:
    from sqznet.answers import Classifier
    from sqznet.batch.photos import FileResult

#: Answers that are not a class of the folder: another class of the model, or no class.
OTHER, UNKNOWN = "(another)", "(unknown)"


@dataclass(frozen=True)
class Evaluation:
    """The answers of a model to photos with known classes.

    counts: for each class that the model knows, how often each answer was given: a class of the
    folder, OTHER or UNKNOWN. unknown_counts: the same for classes of the folder that the model does
    not know; for them UNKNOWN is correct. unreadable: how many photos could not be read.
    """

    counts: Mapping[str, Counter[str]]
    unknown_counts: Mapping[str, Counter[str]]
    unreadable: int

    @property
    def total(self) -> int:
        """The number of readable photos of the classes that the model knows."""
        return sum(counter.total() for counter in self.counts.values())

    @property
    def correct(self) -> int:
        """How many of those were given their true class."""
        return sum(counter[label] for label, counter in self.counts.items())

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


def evaluate(
    model: Classifier,
    classes: Mapping[str, list[str]],
    seen: Callable[[FileResult], None],
) -> Evaluation:
    """Classifies files with known classes by a model or a Recognizer.

    classes: the files of each class, by label. ``seen`` is called with each result as it arrives.
    Raises SqznetError if the model knows none of the classes.
    """
    known = {label: Counter[str]() for label in model.labels if label in classes}
    unknown = {label: Counter[str]() for label in classes if label not in known}
    if not known:
        few = ", ".join(printable(label) for label in list(classes)[:3])
        raise SqznetError(f"the model has no class with the name of a folder ({few} ...)")
    rows = {**known, **unknown}
    unreadable = 0
    truths = [label for label, files in classes.items() for _ in files]
    with closing(_results(model, classes)) as results:
        for label, result in zip(truths, results, strict=True):
            seen(result)
            if result.error is not None:
                unreadable += 1
            else:
                rows[label][_answer(result, known)] += 1
    return Evaluation(known, unknown, unreadable)


def _results(
    model: Classifier, classes: Mapping[str, list[str]]
) -> Generator[FileResult, None, None]:
    found = (Found(os.fspath(path)) for files in classes.values() for path in files)
    return classify_files(model, found, top=1)


def _answer(result: FileResult, known: Mapping[str, object]) -> str:
    best = result.predictions[0]
    if best.index < 0:
        return UNKNOWN
    return best.label if best.label in known else OTHER
