"""How often a model is right about photos whose classes are known: a folder with one sub-folder a
class, each named as the class is."""

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

#: The answers that are no class of the folder: another class of the model's, or none at all.
OTHER, UNKNOWN = "(another)", "(unknown)"


@dataclass(frozen=True)
class Evaluation:
    """What a model answered to photos of known classes.

    counts: for each class that the model knows, how often each answer was given: a class of the
    folder, OTHER or UNKNOWN. strangers: the same for the folder's classes that the model does not
    know, whose right answer is UNKNOWN. unreadable: how many photos could not be read.
    """

    counts: Mapping[str, Counter[str]]
    strangers: Mapping[str, Counter[str]]
    unreadable: int

    @property
    def asked(self) -> int:
        """How many photos of known classes there were."""
        return sum(counter.total() for counter in self.counts.values())

    @property
    def right(self) -> int:
        """How many of those were given their own class's name."""
        return sum(counter[label] for label, counter in self.counts.items())

    @property
    def answers(self) -> list[str]:
        """The answers that were given or are right, the folder's classes first."""
        given: Counter[str] = Counter()
        for counter in (*self.counts.values(), *self.strangers.values()):
            given += counter
        extra = [answer for answer in (OTHER, UNKNOWN) if given[answer]]
        return [*self.counts, *extra]

    def recall(self, label: str) -> float:
        """Of the photos of a class, how many were given its name: 0..1."""
        counter = self.counts[label]
        return counter[label] / max(counter.total(), 1)

    def precision(self, label: str) -> float | None:
        """Of the photos that were given a class's name, how many are of it: 0..1; None if none."""
        rows = (*self.counts.values(), *self.strangers.values())
        named = sum(counter[label] for counter in rows)
        return self.counts[label][label] / named if named else None

    def found_unknown(self) -> tuple[int, int]:
        """Of the photos of classes that the model does not know: called unknown, and all."""
        rows = self.strangers.values()
        return sum(row[UNKNOWN] for row in rows), sum(row.total() for row in rows)


def evaluate(
    model: Classifier,
    classes: Mapping[str, list[str]],
    seen: Callable[[FileResult], None],
) -> Evaluation:
    """Ask a model, or a Recognizer, for each of these files, by their classes.

    ``seen`` gets each file's result as it comes. Raises SqznetError if the model knows none of
    these classes.
    """
    known = {label: Counter[str]() for label in model.labels if label in classes}
    strangers = {label: Counter[str]() for label in classes if label not in known}
    if not known:
        few = ", ".join(printable(label) for label in list(classes)[:3])
        raise SqznetError(f"the model has no class called as the folders are ({few} ...)")
    rows = {**known, **strangers}
    unreadable = 0
    truths = [label for label, files in classes.items() for _ in files]
    with closing(_results(model, classes)) as results:
        for label, result in zip(truths, results, strict=True):
            seen(result)
            if result.error is not None:
                unreadable += 1
            else:
                rows[label][_answer(result, known)] += 1
    return Evaluation(known, strangers, unreadable)


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
