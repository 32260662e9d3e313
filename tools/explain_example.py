#!/usr/bin/env python3
"""Draws docs/explain.png, and writes the cost of a heat map into docs/explain.md.

python tools/explain_example.py
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import sqznet
from sqznet.cli.main import main as sqznet_command
from sqznet.insight.heatmap import LogitEvidence

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "examples" / "coffee.jpg"
PAGE, PICTURE = ROOT / "docs" / "explain.md", ROOT / "docs" / "explain.png"
ROUNDS = 30
_BLOCK = re.compile(r"(?<=<!-- cost:begin -->\n).*?(?=<!-- cost:end -->)", re.DOTALL)


def costs() -> str:
    """A table of medians, in milliseconds, the calls interleaved."""
    model = sqznet.load(threads=1)
    with Image.open(PHOTO) as image:
        photo = np.asarray(image)
    evidence = LogitEvidence(model, photo)
    index = evidence.index(None)
    calls: dict[str, Callable[[], object]] = {
        "`model.classify(photo)`": lambda: model.classify(photo),
        "`model.heatmap(photo)`": lambda: model.heatmap(photo),
        "`model.localize(photo)`": lambda: model.localize(photo),
        "of these: the class's map": lambda: evidence.class_map(index),
        "of these: resizing it to the photo": lambda: evidence.heat(index),
        "of these: finding the box": lambda: evidence.box(index),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - started))
    rows = [f"| {name} | {statistics.median(taken):.2f} |" for name, taken in times.items()]
    size = f"{photo.shape[1]} x {photo.shape[0]}"
    head = f"| a decoded photo of {size} pixels, one thread, {model.isa} kernels | ms |\n|---|---|"
    return "\n".join([head, *rows, ""])


def main() -> None:
    if sqznet_command(["explain", str(PHOTO), "-o", str(PICTURE)]):
        raise SystemExit(1)
    page = PAGE.read_text(encoding="utf-8")
    table = costs()
    PAGE.write_text(_BLOCK.sub(lambda _: table, page), encoding="utf-8")


if __name__ == "__main__":
    main()
