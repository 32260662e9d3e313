"""Measures `sqznet.train`: accuracy on hand signs, and speed, beside a plain loop in torch.

python -m benchmarks.training                  both, about 45 minutes on an idle machine
python -m benchmarks.training --only speed     2 minutes
python -m benchmarks.training --epochs 20      in place of 10 minutes each; on a busy machine
python -m benchmarks.training --write          and put the tables into docs/training.md

Accuracy: of the ten hand signs of the shared folder's `gestures`, 50 or 20 photos each are shown,
all others are asked. `sqznet.train` gets a folder and a time; it keeps a fifth of the photos apart
for itself. The plain loop (`benchmarks.plain_training`) gets the same photos, weights and time, and
trains with all of them. Both start with the bundled weights.

Speed: photos a second of training SqueezeNet 1.1 at 224 x 224, epochs of both loops in turns. The
photos are those hand signs (100 x 100), and the shared folder's `images` (ImageNet's sizes).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import sqznet
from benchmarks import machine, report
from benchmarks.learning import SEED
from benchmarks.material import ROOT, SHARED, MissingError, find_photos
from benchmarks.network import Array
from benchmarks.paired import Ratio, ratio
from benchmarks.plain_training import BATCH, PlainLoop
from benchmarks.report_all import fill_page
from sqznet import weights
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.variants import network_for
from sqznet.training.settings import TrainingProgress
from sqznet.training.twin import Twin, twin_of

PAGE = ROOT / "docs" / "training.md"
BEGIN, END = "<!-- training:begin -->", "<!-- training:end -->"
MINUTES = 10.0
#: Photos shown of each class, and the accuracy that is wanted.
SHOWN = {50: 0.985, 20: 0.965}
FASTER = 1.3  # wanted: photos a second, by those of the plain loop

_ROUNDS = 5
_STEPS = 10  # of a round
_WORKERS = (0, 2)  # of the plain loop; the faster one counts
_HEAD = "classifier.1"


class Budget(NamedTuple):
    """How long each loop may train: epochs or minutes, whichever is first."""

    epochs: int | None
    minutes: float | None

    def __str__(self) -> str:
        return f"{self.epochs} epochs" if self.minutes is None else f"{self.minutes:g} minutes"


class Split(NamedTuple):
    """Hand signs by label: those shown, and the others."""

    shown: Mapping[str, list[str]]
    asked: Mapping[str, list[str]]


class Quality(NamedTuple):
    """The accuracy of both, by photos shown of a class, and how many epochs each trained."""

    shown: int
    wanted: float
    ours: float
    plain: float
    epochs: tuple[int, int]

    def row(self) -> tuple[str, ...]:
        return (
            f"{self.shown}",
            f"{self.wanted:.3f}",
            f"{self.ours:.4f} ({self.epochs[0]})",
            f"{self.plain:.4f} ({self.epochs[1]})",
        )


class Speed(NamedTuple):
    """Photos a second of both, and the ratio of ours to the plain loop's."""

    photos: str
    ours: float
    plain: float
    workers: int
    times: Ratio

    def row(self) -> tuple[str, ...]:
        times = self.times
        return (
            self.photos,
            f"{self.ours:.1f}",
            f"{self.plain:.1f} ({self.workers} workers)",
            f"{times.median:.2f} ({times.low:.2f} to {times.high:.2f})",
        )


QUALITY_HEAD = ("shown of each class", "goal", "sqznet train (epochs)", "plain loop (epochs)")
SPEED_HEAD = ("photos", "sqznet train, photos/s", "plain loop, photos/s", f"ratio (goal {FASTER})")


# --- Accuracy ------------------------------------------------------------------------------------


def split(folder: Path, shown: int, number: int) -> Split:
    """A random split of the photos of each class; every number is another one."""
    rng = np.random.default_rng(SEED + number)
    parts: tuple[dict[str, list[str]], dict[str, list[str]]] = {}, {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(map(str, place.glob("*")))
        order = rng.permutation(len(files))
        for part, rows in zip(parts, (order[:shown], order[shown:]), strict=True):
            part[place.name] = [files[row] for row in rows]
    return Split(*parts)


def quality(folder: Path, shown: int, wanted: float, budget: Budget, number: int) -> Quality:
    photos = split(folder, shown, number)
    labels = list(photos.shown)
    files = [path for paths in photos.asked.values() for path in paths]
    classes = np.array([labels.index(label) for label in labels for _ in photos.asked[label]])
    with tempfile.TemporaryDirectory() as place:
        trained = sqznet.train(
            photos.shown,
            Path(place) / "signs.safetensors",
            epochs=budget.epochs,
            minutes=budget.minutes,
            device="cpu",
            seed=number,
            report=lambda line: _say(str(line)),
        )
        model = sqznet.load(trained.path)
        answers = _answers(model, files, model.logits)
    ours = float((answers == classes).mean())
    _say(f"{shown} shown, sqznet train: {ours:.4f} after {trained.epochs} epochs")
    loop, pre = plain_loop(photos.shown, max(_WORKERS), number)
    epochs = loop.run(budget.epochs, None if budget.minutes is None else 60 * budget.minutes)
    loop.module.eval()
    like = sqznet.load(preprocessing=pre)
    answers = _answers(like, files, partial(_logits, loop.module))
    plain = float((answers == classes).mean())
    _say(f"{shown} shown, plain loop: {plain:.4f} after {epochs} epochs")
    return Quality(shown, wanted, ours, plain, (trained.epochs, epochs))


def _answers(model: sqznet.Model, files: Sequence[str], logits: Callable[[Array], Array]) -> Array:
    """The class of each photo."""
    groups = [files[begin : begin + BATCH] for begin in range(0, len(files), BATCH)]
    found = [logits(np.concatenate([model.preprocess(path) for path in group])) for group in groups]
    classes: Array = np.concatenate(found).argmax(axis=1)
    return classes


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch has no types here
def _logits(module: Twin, x: Array) -> Array:
    found: Array = module(torch.from_numpy(x))["logits"].numpy()
    return found


def plain_loop(
    shown: Mapping[str, Sequence[str]], workers: int, seed: int
) -> tuple[PlainLoop, Preprocessing]:
    """The plain loop for these photos by label: the bundled trunk, and a new head."""
    torch.manual_seed(seed)
    checkpoint = weights.bundled()
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    channels = shapes[f"{_HEAD}.weight"][1]
    shapes[f"{_HEAD}.weight"] = (len(shown), channels, 1, 1)
    shapes[f"{_HEAD}.bias"] = (len(shown),)
    network = network_for(shapes, checkpoint.variant, checkpoint.path, checkpoint.wiring)
    module = twin_of(network, checkpoint.tensors, (_HEAD,))
    files = [path for paths in shown.values() for path in paths]
    classes = [number for number, paths in enumerate(shown.values()) for _ in paths]
    pre = checkpoint.preprocessing
    return PlainLoop(module, files, classes, pre, workers), pre


# --- Speed ---------------------------------------------------------------------------------------


class Clock:
    """Notes when each step of `sqznet.train` ends."""

    def __init__(self) -> None:
        self.steps: list[float] = []

    def __call__(self, progress: TrainingProgress) -> None:
        if progress.stage == "epochs" and not progress.measures:
            self.steps.append(time.perf_counter())


def speed(name: str, photos: Mapping[str, Sequence[str]]) -> Speed:
    """Both loops in turns, on photos by label."""
    tried = {workers: plain_loop(photos, workers, 0)[0] for workers in _WORKERS}
    for loop in tried.values():
        _plain_rate(loop)  # starts the workers
    workers, loop = max(tried.items(), key=lambda item: _plain_rate(item[1]))
    with tempfile.TemporaryDirectory() as place:
        outputs = [Path(place) / f"{number}.safetensors" for number in range(_ROUNDS)]
        pairs = [(_plain_rate(loop), _our_rate(photos, output)) for output in outputs]
    plain, ours = np.median(pairs, axis=0)
    return Speed(name, float(ours), float(plain), workers, ratio([pairs]))


def _plain_rate(loop: PlainLoop) -> float:
    """Photos a second between the first step and the last of an epoch."""
    ends, counts = [], []
    for count in loop.epoch(0.0, 0.0):
        ends.append(time.perf_counter())
        counts.append(count)
        if len(ends) > _STEPS:
            break
    return sum(counts[1:]) / (ends[-1] - ends[0])


def _our_rate(photos: Mapping[str, Sequence[str]], output: Path) -> float:
    """The same of `sqznet.train`; photos are decoded before."""
    clock = Clock()
    done = sqznet.train(photos, output, epochs=1, device="cpu", progress=clock)
    batches = len(clock.steps)
    return done.photos / batches * (batches - 1) / (clock.steps[-1] - clock.steps[0])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# --- The command ---------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns exit code 0, or 1 if the photos are missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training")
    parser.add_argument("--only", choices=("quality", "speed"), help="measure this alone")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of each loop, each time")
    parser.add_argument("--epochs", type=int, help="of each loop, in place of minutes")
    parser.add_argument("--splits", type=int, default=1, help="into shown photos and others")
    parser.add_argument("--write", action="store_true", help=f"fill the block of {PAGE.name}")
    options = parser.parse_args(arguments)
    minutes = options.minutes if options.epochs is None else None
    budget = Budget(options.epochs, minutes)
    facts = machine.describe(("sqznet", "torch"))
    print(report.machine(facts), flush=True)
    parts = []
    try:
        for rows, note in _measured(options.only, budget, options.splits):
            print(f"\n{report.table(rows, right=range(1, 4))}\n{note}", flush=True)
            parts.append((rows, f"{note} On {facts['cpu']}, torch {facts['torch']}."))
    except MissingError as error:
        print(error)
        return 1
    if options.write:
        fill_page(PAGE, block(parts), BEGIN, END)
    return 0


Rows = list[tuple[str, ...]]


def _measured(only: str | None, budget: Budget, splits: int) -> Iterator[tuple[Rows, str]]:
    """The rows of each table, and a note."""
    signs = SHARED / "gestures"
    if not signs.is_dir():
        raise MissingError(f"needs {signs}, which is missing")
    if only != "speed":
        found = [
            quality(signs, shown, wanted, budget, number)
            for shown, wanted in SHOWN.items()
            for number in range(splits)
        ]
        note = f"Accuracy on all other photos, after {budget} for each loop."
        yield [QUALITY_HEAD, *(row.row() for row in found)], note
    if only != "quality":
        meter = machine.OthersMeter()
        photos = list(map(str, find_photos(SHARED / "images")))
        halves = {"first": photos[::2], "second": photos[1::2]}
        rows = [speed("hand signs, 100 x 100", split(signs, 50, 0).shown).row()]
        rows.append(speed("ImageNet's", halves).row())
        busy = meter.cores() or 0.0
        fair = "" if busy <= report.BUSY else f" NOT A FAIR RUN: others kept {busy:.1f} cores busy."
        note = f"Medians of {_ROUNDS} epochs of each loop, in turns, decoding included.{fair}"
        yield [SPEED_HEAD, *rows], note


def block(parts: Sequence[tuple[Rows, str]]) -> str:
    """The tables in Markdown, each with its note."""
    text = []
    for (head, *rows), note in parts:
        lines = [f"| {' | '.join(row)} |" for row in (head, ("---", "--:", "--:", "--:"), *rows)]
        text.append("\n".join([*lines, "", *textwrap.wrap(note, 100)]))
    command = "Printed by `python -m benchmarks.training`."
    return "\n\n".join([*text, command])


if __name__ == "__main__":
    raise SystemExit(main())
