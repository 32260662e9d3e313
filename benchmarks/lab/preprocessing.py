"""Measures the work before the network: decoding, resizing and normalizing photos.

python -m benchmarks.lab.preprocessing               time: decode, preprocess and their ratio
python -m benchmarks.lab.preprocessing --fast-decode  what fast_decode does to answers and time

Photos are those of the shared folder where there is one, else those in examples/.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: its folder is on the path, not the root
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.material import ROOT, SHARED
from sqznet import _kernels, api
from sqznet.images import decoding
from sqznet.images.preprocessing import Preprocessing
from sqznet.model import Model

FITS = ("squash", "crop")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab.preprocessing")
    parser.add_argument("--fast-decode", action="store_true", help="compare with the exact path")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="JPEG photos to use")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    photos, classes = _photos(options.photos)
    if not photos:
        parser.error("there are no photos")
    print(f"{len(photos)} photos, medians of {options.rounds} interleaved rounds, 1 thread")
    for fit in FITS:
        model = api.load(threads=1, preprocessing=_preprocessing(fit))
        if options.fast_decode:
            _print_fast(fit, model, photos, classes, options.rounds)
        else:
            _print_ratio(fit, model, photos, options.rounds)
    return 0


def _preprocessing(fit: str) -> Preprocessing:
    own = api.load().preprocessing.to_dict()
    return Preprocessing.from_dict({**own, "fit": fit})


def _photos(folder: Path | None) -> tuple[list[bytes], list[int]]:
    """The files and, if known, their true classes."""
    labels = SHARED / "reference" / "labels.csv"
    if folder is None and labels.is_file():
        with labels.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row[-1].strip().isdigit()]
        return [(SHARED / "images" / r[0]).read_bytes() for r in rows], [int(r[-1]) for r in rows]
    paths = (folder or ROOT / "examples").iterdir()
    return [p.read_bytes() for p in sorted(paths) if p.suffix.lower() in (".jpg", ".jpeg")], []


def _ms(call: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call(*arguments)
    return (time.perf_counter() - start) * 1e3, result


def _print_ratio(fit: str, model: Model, photos: list[bytes], rounds: int) -> None:
    tensor = _kernels.Tensor((1, *model.preprocessing.size, 3))
    decode_ms: list[list[float]] = [[] for _ in photos]
    feeding: list[list[float]] = [[] for _ in photos]
    for _ in range(rounds):
        for i, photo in enumerate(photos):
            took, pixels = _ms(decoding.decode, photo)
            decode_ms[i].append(took)
            feeding[i].append(_ms(model.feed, pixels, tensor)[0])
    decode = [statistics.median(samples) for samples in decode_ms]
    feed = [statistics.median(samples) for samples in feeding]
    ratios = [a / b for a, b in zip(feed, decode, strict=True)]
    print(
        f"{fit:<7} decode {statistics.median(decode):.3f} ms, "
        f"preprocess {statistics.median(feed):.3f} ms, "
        f"ratio {statistics.median(ratios):.3f} (median), {sum(feed) / sum(decode):.3f} (of sums)"
    )


def _print_fast(
    fit: str, model: Model, photos: list[bytes], classes: list[int], rounds: int
) -> None:
    smaller = [
        decoding.decode(photo, model.resized).width < decoding.decode(photo).width
        for photo in photos
    ]
    times: dict[bool, list[list[float]]] = {fast: [[] for _ in photos] for fast in (False, True)}
    answers: dict[bool, list[list[int]]] = {}
    for _ in range(rounds):
        for i, photo in enumerate(photos):
            for fast in (False, True):
                times[fast][i].append(_ms(model.preprocess, photo, fast)[0])
    for fast in (False, True):
        answers[fast] = [
            [prediction.index for prediction in model.classify(photo, 5, fast)] for photo in photos
        ]
        medians = [statistics.median(samples) for samples in times[fast]]
        some = [took for took, drafted in zip(medians, smaller, strict=True) if drafted] or [0.0]
        line = (
            f"{fit:<7} {'fast_decode' if fast else 'exact':<11} "
            f"{statistics.fmean(medians):6.3f} ms a photo, {statistics.fmean(some):6.3f} ms one "
            f"of the {sum(smaller)} decoded smaller"
        )
        if classes:
            top1 = statistics.fmean(a[0] == c for a, c in zip(answers[fast], classes, strict=True))
            top5 = statistics.fmean(c in a for a, c in zip(answers[fast], classes, strict=True))
            line += f"   top-1 {100 * top1:.1f} %   top-5 {100 * top5:.1f} %"
        print(line)
    pairs = list(zip(answers[False], answers[True], strict=True))
    print(
        f"{fit:<7} same first class: {sum(a[0] == b[0] for a, b in pairs)}, "
        f"same five classes: {sum(set(a) == set(b) for a, b in pairs)} of {len(photos)}"
    )


if __name__ == "__main__":
    sys.exit(main())
