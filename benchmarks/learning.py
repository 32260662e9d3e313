"""Measures `sqznet.learn`: accuracy, detection of unknown classes, time and size.

python -m benchmarks.learning            print the table
python -m benchmarks.learning --write    and put it into docs/learning.md

Needs the shared folder's `gestures` (ten hand signs, 100 photos each) and `faces` (twenty people,
10 photos each). Every figure covers ten random splits: some images of each class are examples, all
others are classified.
"""

from __future__ import annotations

import argparse
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

import sqznet
from benchmarks import machine, report
from benchmarks.material import ROOT, SHARED, MissingError
from benchmarks.report_all import fill
from sqznet.images import decoding
from sqznet.insight.reliability import reliability
from sqznet.learning import storage
from sqznet.learning.features import describe, mirror_image
from sqznet.learning.learner import Learner

PAGE = ROOT / "docs" / "learning.md"
BEGIN, END = "<!-- learning:begin -->", "<!-- learning:end -->"

SPLITS = 10
SEED = 7_310_000
_LEARNINGS, _UPDATES = 3, 9

Floats = npt.NDArray[np.float64]
Views = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Photos:
    """A folder of classes: its image files, their classes and descriptions.

    plain, mirrored: float32 (N, LENGTH), of the images and of their mirror images.
    """

    files: list[Path]
    classes: npt.NDArray[np.int64]
    plain: Views
    mirrored: Views


@dataclass(frozen=True)
class Figure:
    """One line of the table: name, samples and goal (None: no goal)."""

    name: str
    samples: list[float]
    wanted: float | None = None
    form: str = "{:.3f}"
    at_most: bool = False

    @property
    def row(self) -> tuple[str, ...]:
        worst = max(self.samples) if self.at_most else min(self.samples)
        sign = "<=" if self.at_most else ">="
        return (
            self.name,
            "" if self.wanted is None else f"{sign} {self.form.format(self.wanted)}",
            self.form.format(np.mean(self.samples)),
            self.form.format(np.std(self.samples)),
            self.form.format(worst),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns exit code 0, or 1 if the photos are missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning")
    parser.add_argument("--write", action="store_true", help=f"fill the block of {PAGE.name}")
    options = parser.parse_args(arguments)
    try:
        figures = list(measure())
    except MissingError as error:
        print(error)
        return 1
    rows = [("", "goal", "mean", "spread", "worst"), *(figure.row for figure in figures)]
    print(report.table(rows, right=(1, 2, 3, 4)))
    if options.write:
        filled = fill(PAGE.read_text(encoding="utf-8"), block(rows), BEGIN, END)
        PAGE.write_text(filled, encoding="utf-8")
        print(f"wrote {PAGE}")
    return 0


def block(rows: Sequence[tuple[str, ...]]) -> str:
    """The table and the machine, in Markdown."""
    facts = machine.describe([])
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    note = (
        f"Mean, standard deviation and worst of {SPLITS} random splits, of {_LEARNINGS} and "
        f"{_UPDATES} runs for times: processor seconds, the network on one thread, on "
        f"{facts['cpu']}. Printed by `python -m benchmarks.learning`."
    )
    return "\n".join([head, "|---|---|---|---|---|", *body, "", *textwrap.wrap(note, 100)])


def measure() -> Iterator[Figure]:
    """All figures; the costs come last."""
    model = sqznet.load(threads=1)
    gestures, faces = (_photos(SHARED / name, model) for name in ("gestures", "faces"))
    for name, photos, shown, wanted in (
        ("gestures", gestures, 5, 0.76),
        ("gestures", gestures, 20, 0.87),
        ("gestures", gestures, 50, 0.92),
        ("faces", faces, 1, 0.90),
        ("faces", faces, 5, 0.99),
    ):
        closed = _repeated(partial(_closed, photos, shown))
        yield Figure(f"{name}, {shown} examples per class: accuracy", closed[0], wanted)
        yield Figure("  scores' calibration error", closed[1], at_most=True)
        yield Figure("  called unknown", closed[2], at_most=True)
    for name, photos, shown, limit in (
        ("gestures", gestures, 5, None),
        ("gestures", gestures, 20, 0.80),
        ("gestures", gestures, 50, None),
        ("faces", faces, 1, None),
        ("faces", faces, 5, 0.95),
    ):
        unseen = _repeated(partial(_open, photos, shown))
        yield Figure(
            f"{name}, {shown} examples per class, a third of the classes unknown: AUROC",
            unseen[0],
            limit,
        )
        yield Figure("  unknown classes called unknown", unseen[1])
        yield Figure("  known classes called unknown", unseen[2], at_most=True)
    yield from _costs(gestures, model)


def _photos(folder: Path, model: sqznet.Model) -> Photos:
    files = [path for path in sorted(folder.glob("*/*")) if path.is_file()]
    if not files:
        raise MissingError(f"needs {folder}, which is missing")
    names = sorted({path.parent.name for path in files})
    pixels = [decoding.decode(path) for path in files]
    return Photos(
        files,
        np.array([names.index(path.parent.name) for path in files]),
        describe(model, pixels),
        describe(model, list(map(mirror_image, pixels))),
    )


def _repeated(measured: Callable[[np.random.Generator], tuple[float, ...]]) -> list[list[float]]:
    """The samples of each figure over all splits."""
    samples = [measured(np.random.default_rng(SEED + split)) for split in range(SPLITS)]
    return [list(column) for column in zip(*samples, strict=True)]


def _split(
    photos: Photos, classes: Sequence[int], shown: int, rng: np.random.Generator
) -> tuple[Learner, npt.NDArray[np.int64]]:
    """A learner with some images of these classes as examples, and their other images."""
    learner, others = Learner(), []
    taught = {}
    for label in classes:
        rows = rng.permutation(np.flatnonzero(photos.classes == label))
        taught[str(label)] = photos.plain[rows[:shown]], photos.mirrored[rows[:shown]]
        others.append(rows[shown:])
    learner.add(taught)
    return learner, np.concatenate(others)


def _closed(photos: Photos, shown: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Accuracy, expected calibration error in ten bins, share called unknown."""
    learner, rows = _split(photos, range(photos.classes.max() + 1), shown, rng)
    answers = learner.ask(photos.plain[rows])
    right = answers.scores.argmax(axis=1) == photos.classes[rows]
    error = reliability(answers.scores.max(axis=1), right).error
    return float(right.mean()), error, float(answers.unknown.mean())


def _open(photos: Photos, shown: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """AUROC of known against unknown classes; the share of each that is called unknown."""
    order = rng.permutation(photos.classes.max() + 1)
    never = order[: round(len(order) / 3)]
    learner, rows = _split(photos, order[len(never) :].tolist(), shown, rng)
    known = learner.ask(photos.plain[rows])
    novel = learner.ask(photos.plain[np.isin(photos.classes, never)])
    return (
        auroc(known.familiarity, novel.familiarity),
        float(novel.unknown.mean()),
        float(known.unknown.mean()),
    )


def auroc(high: Floats, low: Floats) -> float:
    """How often a value of the first is above one of the second; ties count half."""
    above = (high[:, None] > low).mean()
    return float(above + (high[:, None] == low).mean() / 2)


def _costs(photos: Photos, model: sqznet.Model) -> Iterator[Figure]:
    """Time and size for ten classes of twenty images, including reading the files."""
    files = {
        str(label): [str(photos.files[i]) for i in np.flatnonzero(photos.classes == label)[:20]]
        for label in range(10)
    }
    seconds = []
    for _ in range(_LEARNINGS):
        started = time.process_time()
        recognizer = sqznet.learn(files, model=model)
        recognizer.is_unknown(files["0"][0])
        seconds.append(time.process_time() - started)
    yield Figure("learning 10 x 20, from files to the first answer, s", seconds, 5, "{:.2f}", True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gestures.sqz"
        recognizer.save(path)
        content = path.read_bytes()
        yield Figure("  the file of that, kB", [len(content) / 1e3], None, "{:.0f}", True)
        examples, _, _ = storage.decode(memoryview(content))
    rows = np.flatnonzero(photos.classes == 0)[20 : 20 + 5 * _UPDATES].reshape(_UPDATES, 5)
    taken, answered = [], []
    for five in rows:
        learner = Learner(None, examples)
        began = time.process_time()
        learner.add({"new": (photos.plain[five], None)})
        learner.ask(photos.plain[:1])
        taken.append(1e3 * (time.process_time() - began))
        began = time.process_time()
        learner.ask(photos.plain[:1])
        answered.append(1e3 * (time.process_time() - began))
    yield Figure("  adding 5 described images, to the next answer, ms", taken, None, "{:.1f}", True)
    yield Figure("  an answer, after the network has run, ms", answered, None, "{:.2f}", True)


if __name__ == "__main__":
    raise SystemExit(main())
