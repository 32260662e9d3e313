"""What 8-bit integers cost: python -m benchmarks.quantized [WEIGHTS]

Cross-validation on the photos of the shared folder: each half is judged by integers that were
calibrated with photos of the other half. The logits are those of the NumPy reference, so that the
result holds for every processor. Agree: the share of photos with the same best class as float32's.
KL: the mean Kullback-Leibler divergence of the softmax from float32's, in nats, with its standard
error.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import sqznet
from benchmarks import machine, report
from benchmarks.material import SHARED, MissingError
from benchmarks.network import Array
from sqznet.calibration import quantizing
from sqznet.quantization import reference
from sqznet.quantization.integers import integer_convs
from sqznet.quantization.plan import plan

KINDS = {"scales for unchanged weights": True, "rounded weights": False}


def photos_and_classes(shared: Path) -> tuple[list[Path], Array]:
    """Raises MissingError if they are missing."""
    try:
        with open(shared / "reference" / "labels.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise MissingError(f"no photos to judge by: {error.filename} is missing") from None
    photos = [shared / "images" / row["file"] for row in rows]
    return photos, np.array([int(row["class_index"]) for row in rows])


def cross_validated(model: sqznet.Model, levels: Sequence[Any], keep_weights: bool) -> Array:
    """Logits (N, classes) of the integers, each from a calibration with the other half."""
    network = model.executor.network
    tensors = quantizing.float_tensors(model.checkpoint)
    logits = np.empty((len(levels), model.num_classes), np.float32)
    for half in (0, 1):
        used = quantizing.evenly(levels[1 - half :: 2], quantizing.CALIBRATED)
        found = quantizing.calibrated(model, tensors, used, keep_weights)
        checkpoint = quantizing.described(model, network, found)
        planned = plan(network, found.integers)
        weight_of = partial(quantizing.weight, quantizing.float_tensors(checkpoint))
        convs = integer_convs(planned, weight_of)
        for index in range(half, len(levels), 2):
            logits[index] = reference.forward(network, convs, planned, levels[index])[0]
    return logits


def top(logits: Array, classes: Array, count: int) -> float:
    """The share of photos, in percent, whose class is one of the best ``count``."""
    best = np.argsort(-logits, axis=1)[:, :count]
    return float(100 * (best == classes[:, None]).any(axis=1).mean())


def row(name: str, expected: Array, found: Array, classes: Array) -> tuple[str, ...]:
    """A row of the table: the accuracy of ``found``, and how it compares with ``expected``."""
    accuracy = f"{top(found, classes, 1):.1f} / {top(found, classes, 5):.1f}"
    each = quantizing.divergences(expected, found)
    error = each.std() / len(each) ** 0.5
    agree = 100 * quantizing.compare(expected, found).agreement
    return name, accuracy, f"{agree:.1f}", f"{each.mean():.5f} +- {error:.5f}"


def measure(shared: Path, source: str | None) -> Iterator[tuple[str, ...]]:
    """The rows of the table. Raises MissingError if the photos are missing."""
    photos, classes = photos_and_classes(shared)
    model = (
        sqznet.load(source) if source is None else sqznet.load(source, preprocessing="squash-bgr")
    )
    levels = [quantizing.gray_levels(model, photo) for photo in photos]
    expected = np.concatenate([model.logits(model.preprocess(photo)) for photo in photos])
    yield row("float32", expected, expected, classes)
    for name, keep_weights in KINDS.items():
        yield row(name, expected, cross_validated(model, levels, keep_weights), classes)


def main(arguments: Sequence[str] = ()) -> int:
    """Returns exit code 0, or 1 if there is nothing to judge by."""
    try:
        rows = list(measure(SHARED, arguments[0] if arguments else None))
    except MissingError as error:
        print(error)
        return 1
    print(report.machine(machine.describe(("sqznet",))), end="\n\n")
    header = ("weights", "top-1 / top-5, %", "agree, %", "KL")
    print(report.table([header, *rows], right=range(1, 4)))
    return 0


if __name__ == "__main__":
    import sys

    raise SystemExit(main(sys.argv[1:]))
