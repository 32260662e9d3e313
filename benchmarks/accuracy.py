"""The error of the logits compared with float64: python -m benchmarks.accuracy

The photos of the shared folder, squashed to 224 x 224, are compared with logits that another
framework computed in float64 from the same float32 weights. The error of a photo is its largest
logit error relative to its largest logit; the worst photo counts. Top five: photos whose top five
classes differ from the reference's, although its fifth and sixth differ by more than that error.
With `--precision float16`, the photos with the reference's best class are counted, too.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import sqznet
from benchmarks import machine, report
from benchmarks.material import SHARED, MissingError
from benchmarks.network import Array
from sqznet import _kernels

NETWORKS = ("squeezenet1_1", "squeezenet1_0")


def errors(found: Array, expected: Array) -> Array:
    """For each photo: the largest logit error relative to its largest logit."""
    return np.asarray(np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1))


def other_top_five(found: Array, expected: Array) -> int:
    """The number of photos with a different top five that rounding does not explain."""
    count = 0
    for ours, theirs in zip(found, expected, strict=True):
        order = np.argsort(-theirs)
        error = np.abs(ours - theirs).max()
        clear = theirs[order[4]] - theirs[order[5]] > error
        count += bool(clear and set(np.argsort(-ours)[:5]) != set(order[:5]))
    return count


def measure(
    shared: Path,
    precision: str = "float32",
    most: int | None = None,
    networks: Sequence[str] = NETWORKS,
) -> Iterator[tuple[str, ...]]:
    """The rows of the table. Raises MissingError if the photos or the reference are missing."""
    try:
        with open(shared / "reference" / "labels.csv", newline="", encoding="utf-8") as file:
            photos = [shared / "images" / row["file"] for row in csv.DictReader(file)][:most]
        with np.load(shared / "reference" / "logits_224.npz") as stored:
            reference = {name: stored[f"{name}.squash"][:most] for name in networks}
    except FileNotFoundError as error:
        raise MissingError(f"no reference to compare with: {error.filename} is missing") from None
    for name in networks:
        for isa, compiled, runs, _ in _kernels.instruction_sets():
            if not (compiled and runs) or isa == "scalar":  # which takes minutes
                continue
            if precision == "float16" and "f16" not in compiled:
                continue
            weights = shared / "weights" / f"{name}.pth"
            model = sqznet.load(weights, isa=isa, preprocessing="squash-bgr", precision=precision)
            found = np.concatenate([model.logits(model.preprocess(photo)) for photo in photos])
            worst = errors(found, reference[name]).max()
            other = other_top_five(found, reference[name])
            row = (name, isa, str(len(photos)), f"{worst:.1e}", str(other))
            same = int((found.argmax(axis=1) == reference[name].argmax(axis=1)).sum())
            yield row if precision == "float32" else (*row, str(same))


def main(arguments: Sequence[str] = ()) -> int:
    """Returns exit code 0, or 1 if there is nothing to compare with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--precision", choices=("float32", "float16"), default="float32")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--photos", type=int, help="the first photos only, for emulators")
    options = parser.parse_args(arguments)
    try:
        rows = list(measure(SHARED, options.precision, options.photos, options.networks))
    except MissingError as error:
        print(error)
        return 1
    print(report.machine(machine.describe(("sqznet",))), end="\n\n")
    header: tuple[str, ...] = ("network", "kernels", "photos", "worst error", "other top five")
    if options.precision != "float32":
        header = (*header, "same label")
    print(report.table([header, *rows], right=range(2, len(header))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
