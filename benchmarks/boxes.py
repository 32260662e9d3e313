"""Measures how the boxes of heat maps agree with those that people drew around cats and dogs.

python -m benchmarks.boxes            print the table
python -m benchmarks.boxes --write    and put it into docs/explain.md

Photos with one boxed animal that the bundled network names by a class of its kind. Rules for the
heat that a box needs are compared on every second of them; the figures of the best are those of
the others. Agreement is the intersection over the union (IoU). Most of the animals fill their
photo, and a box around all of it agrees with them; so each of three sizes counts alike.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import sqznet
from benchmarks import report
from benchmarks.material import ROOT, SHARED
from benchmarks.report_all import fill_page
from sqznet.insight.heatmap import BOX_HEAT, Evidence

PAGE = ROOT / "docs" / "explain.md"
BEGIN, END = "<!-- boxes:begin -->", "<!-- boxes:end -->"
KINDS = {7: "cat", 11: "dog"}  # the numbers of Pascal VOC's classes, from 0 in their order
SIZES = (0.3, 0.6)  # of the animal, as shares of the photo: small up to 0.3, large above 0.6

Corners = tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of the photo
Heat = npt.NDArray[np.float32]
Rule = Callable[[Heat], float]


class Case(NamedTuple):
    """The network's evidence for one photo, its heat, and the animal's box."""

    evidence: Evidence
    heat: Heat
    truth: Corners


def otsu(heat: Heat) -> float:
    """The threshold that separates two groups of values best: the variance between them is largest
    (Otsu, "A Threshold Selection Method from Gray-Level Histograms", 1979)."""
    counts, edges = np.histogram(heat, bins=256, range=(0, 1))
    shares = counts / counts.sum()
    below, sums = np.cumsum(shares), np.cumsum(shares * (edges[1:] + edges[:-1]) / 2)
    spread = below * (1 - below)
    between = (sums[-1] * below - sums) ** 2 / np.where(spread > 0, spread, 1)
    return float(edges[1:][np.argmax(np.where(spread > 0, between, 0))])


def rules() -> dict[str, Rule]:
    def at_least(heat: float) -> Rule:
        return lambda _: heat

    def times(factor: float, of: Rule) -> Rule:
        return lambda heat: factor * of(heat)

    def mean(heat: Heat) -> float:
        return float(heat.mean())

    return {
        **{f"at least {heat}": at_least(heat) for heat in (0.1, 0.15, 0.2, 0.25, 0.3)},
        **{f"{factor} of Otsu's threshold": times(factor, otsu) for factor in (0.4, 0.5, 0.75)},
        "Otsu's threshold": otsu,
        "0.8 of the mean": times(0.8, mean),
        "the mean": mean,
    }


def iou(a: Corners, b: Corners) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0.0) * max(height, 0.0)
    return both / (area(a) + area(b) - both)


def area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def cases(folder: Path) -> Iterator[Case]:
    model = sqznet.load(threads=1)
    names = model.coarse_labels
    photos = (folder / "photos.bin").read_bytes()
    with np.load(folder / "photos.npz") as index:
        starts, counts, boxes = index["off"], index["nbox"], index["boxes"]
    for i, first in enumerate(np.cumsum(counts) - counts):
        x0, y0, x1, y1, kind, _ = boxes[first]
        if counts[i] != 1 or int(kind) not in KINDS:
            continue
        evidence = model.evidence(photos[starts[i] : starts[i + 1]])
        best = evidence.ranking[0]
        if names[best] == KINDS[int(kind)]:
            yield Case(evidence, evidence.heat(best), (float(x0), float(y0), float(x1), float(y1)))


def agreements(rule: Rule, chosen: Sequence[Case]) -> list[tuple[int, float, float]]:
    """For each case the size of the animal, 0 to 2, the IoU and the area of the box."""
    found = []
    for evidence, heat, truth in chosen:
        box = evidence.box(evidence.ranking[0], rule(heat))
        size = sum(area(truth) > limit for limit in SIZES)
        if box is None:
            found.append((size, 0.0, 0.0))
            continue
        w, h = evidence.width, evidence.height
        corners = (box.x0 / w, box.y0 / h, box.x1 / w, box.y1 / h)
        found.append((size, iou(corners, truth), area(corners)))
    return found


class Figures(NamedTuple):
    """Mean IoU of small, middle and large animals, of all sizes alike, and the mean area."""

    sizes: tuple[float, ...]
    balanced: float
    area: float


def figures(found: Sequence[tuple[int, float, float]]) -> Figures:
    groups = [[value for size, value, _ in found if size == wanted] for wanted in range(3)]
    means = tuple(float(np.mean(group)) if group else 0.0 for group in groups)
    return Figures(means, float(np.mean(means)), float(np.mean([a for *_, a in found])))


def rows(chosen: Sequence[Case]) -> tuple[list[list[str]], str]:
    """A table with a header, and a note about it."""
    first, others = chosen[::2], chosen[1::2]
    head = ["heat", "chosen on", "small", "middle", "large", "mean", "area"]
    lines: list[tuple[float, list[str]]] = []
    for name, rule in rules().items():
        on, off = figures(agreements(rule, first)), figures(agreements(rule, others))
        cells = [*off.sizes, off.balanced, off.area]
        lines.append((on.balanced, [name, f"{on.balanced:.3f}", *(f"{v:.3f}" for v in cells)]))
    lines.sort(key=lambda line: -line[0])
    truth = float(np.mean([area(case.truth) for case in others]))
    note = (
        f'{len(chosen)} photos. Mean IoU; "chosen on": mean of the three sizes on one half, all '
        f"else on the other half. area: mean share of the photo; that of the true boxes is "
        f"{truth:.3f}. sqznet uses {BOX_HEAT}. Printed by `python -m benchmarks.boxes`."
    )
    return [head, *(line for _, line in lines)], note


def block(lines: Sequence[Sequence[str]], note: str) -> str:
    table = [f"| {' | '.join(line)} |" for line in lines]
    table.insert(1, f"|---|{'--:|' * (len(lines[0]) - 1)}")
    return "\n".join([*table, "", *textwrap.wrap(note, 100)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 if the photos are missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.boxes")
    parser.add_argument("--photos", type=Path, metavar="DIR", default=SHARED / "detection")
    parser.add_argument("--write", action="store_true", help=f"fill the block of {PAGE.name}")
    options = parser.parse_args(arguments)
    if not (options.photos / "photos.npz").is_file():
        print(f"no boxed photos: {options.photos / 'photos.npz'} is absent")
        return 1
    lines, note = rows(list(cases(options.photos)))
    print(report.table(lines, right=range(1, len(lines[0]))))
    print(f"\n{note}")
    if options.write:
        fill_page(PAGE, block(lines, note), BEGIN, END)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
