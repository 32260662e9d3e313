"""Measures the speedup of `sqznet classify FOLDER` by threads: whole commands, including the start.

python -m benchmarks.folder                print the table
python -m benchmarks.folder --write        and put it into docs/command-line.md

Commands with 1 and with 2 threads alternate. A round in which other programs kept the cores busy is
dropped and repeated. It needs an ordinary install (an editable one looks for changed sources at
every start) and at least a hundred photos.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, report
from benchmarks.material import ROOT, MissingError, find_photos
from benchmarks.report_all import fill_page

PAGE = ROOT / "docs" / "command-line.md"
BEGIN, END = "<!-- folder:begin -->", "<!-- folder:end -->"
THREADS = (1, 2)
WANTED = 1.8

Round = dict[int, float]  # seconds by threads


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 if photos or cores are missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folder")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--photos", type=Path, metavar="DIR", help="default: the shared folder's")
    parser.add_argument("--write", action="store_true", help=f"fill the block of {PAGE.name}")
    options = parser.parse_args(arguments)
    try:
        photos = find_photos(options.photos)
    except MissingError as error:
        print(error)
        return 1
    if machine.cores() < max(THREADS):
        print(f"needs {max(THREADS)} cores, {machine.cores()} usable")
        return 1
    seconds, left_out = measure(photos[0].parent, max(1, options.rounds))
    if not seconds:
        print(f"no fair round among {left_out}: other programs kept the cores busy")
        return 1
    lines, note = rows(seconds, len(photos)), gain(seconds, left_out)
    print(report.table(lines, right=(1, 2, 3)))
    print(f"\n{note}")
    if options.write:
        fill_page(PAGE, block(lines, note), BEGIN, END)
    return 0


def measure(folder: Path, rounds: int) -> tuple[list[Round], int]:
    """Up to ``rounds`` fair rounds, after at most three times as many; and how many were dropped.

    One warm-up command comes first.
    """
    fair: list[Round] = []
    left_out = 0
    with tempfile.TemporaryDirectory(prefix="sqznet-bench-") as place:
        _seconds(folder, place, max(THREADS))
        while len(fair) < rounds and len(fair) + left_out < 3 * rounds:
            meter = machine.OthersMeter()
            seconds = {threads: _seconds(folder, place, threads) for threads in THREADS}
            if (meter.cores() or 0.0) > report.BUSY:
                left_out += 1
            else:
                fair.append(seconds)
    return fair, left_out


def _seconds(folder: Path, place: str, threads: int) -> float:
    # Not in the repository, whose folder `sqznet` would be imported as the package.
    arguments = ["classify", str(folder), "--threads", str(threads), "-o", "answers.csv"]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sqznet", *arguments], cwd=place, check=True)
    return time.perf_counter() - began


def rows(seconds: Sequence[Round], photos: int) -> list[tuple[str, ...]]:
    """A heading, then a line for each number of threads."""
    table: list[tuple[str, ...]] = [(f"{photos} photos", "minimum s", "median s", "photos/s")]
    for threads in THREADS:
        samples = [taken[threads] for taken in seconds]
        middle = statistics.median(samples)
        name = f"--threads {threads}"
        table.append((name, f"{min(samples):.3f}", f"{middle:.3f}", f"{photos / middle:.0f}"))
    return table


def gain(seconds: Sequence[Round], left_out: int = 0) -> str:
    """The speedup by the second thread: the median over rounds, and by the fastest command of
    each kind, which was disturbed least."""
    ratios = [taken[1] / taken[2] for taken in seconds]
    least = min(taken[1] for taken in seconds) / min(taken[2] for taken in seconds)
    busy = f"; {left_out} left out, in which other programs were busy" if left_out else ""
    return (
        f"2 threads do {statistics.median(ratios):.2f} times as many photos as 1, goal {WANTED} "
        f"(median of {len(ratios)} rounds, {min(ratios):.2f} to {max(ratios):.2f}{busy}); "
        f"{least:.2f} by the fastest command of each"
    )


def block(lines: Sequence[tuple[str, ...]], note: str) -> str:
    """The table, the note and the machine, in Markdown."""
    facts = machine.describe([])
    head, *body = [f"| {' | '.join(row)} |" for row in lines]
    text = f"{note}, on {facts['cpu']}. Printed by `python -m benchmarks.folder`."
    return "\n".join([head, "|---|--:|--:|--:|", *body, "", *textwrap.wrap(text, 100)])


if __name__ == "__main__":
    raise SystemExit(main())
