"""Measures photos on a Ray cluster of this machine, and says what they would cost on many machines.

python -m benchmarks.scale                       measure, then the cost and the simulation
python -m benchmarks.scale --rate 190            the cost and the simulation for this rate of a core
python -m benchmarks.scale --price 0.03          dollars for an hour of a core, which are an input
python -m benchmarks.scale --write               and put all of it into docs/scale.md

It measures `classify_files` on all cores, and `sqznet classify --ray` and `sqznet.ray.Classifier`
in `map_batches` on a running Ray cluster of as many, with the photos of the shared folder,
repeated. It needs Ray and an idle machine.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import sqznet
from benchmarks import machine
from benchmarks.cluster_model import Assumed, simulate
from benchmarks.material import ROOT, MissingError, find_photos
from benchmarks.report_all import fill_page

PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- scale:begin -->", "<!-- scale:end -->"
GOAL = 0.9
PRICE = 0.04  # dollars for an hour of one core
BILLION = 1_000_000_000
PARTITIONS = (500, 2_000, 5_000, 20_000, 100_000)


class Measured(NamedTuple):
    """Seconds for ``photos`` on ``cores``: by `classify_files`; by the command on a running
    cluster, of which ``start`` is not for photos; and by `map_batches`, with the start of its
    actors."""

    photos: int
    cores: int
    files: float
    command: float
    start: float
    batches: float

    @property
    def rate(self) -> float:
        """Photos a second and core of the command, once it runs."""
        return self.photos / (self.command - self.start) / self.cores


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 if photos are missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--photos", type=int, default=10_000, metavar="N")
    parser.add_argument("--rate", type=float, metavar="R", help="measure nothing")
    parser.add_argument("--price", type=float, default=PRICE, metavar="DOLLARS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"fill the block of {PAGE.name}")
    options = parser.parse_args(arguments)
    measured, rate = None, options.rate
    if rate is None:
        try:
            measured = measure(options.photos)
        except MissingError as error:
            print(error)
            return 1
        rate = measured.rate
    text = block(measured, rate, options.price, options.seed)
    print(text)
    if options.write:
        fill_page(PAGE, text, BEGIN, END)
    return 0


def block(measured: Measured | None, rate: float, price: float, seed: int) -> str:
    """Everything, in Markdown. ``rate``: photos a second of a core."""
    lines = said(measured) if measured else []
    given = "" if measured else f" --rate {rate:g}"
    return "\n".join([*lines, *cost(rate, price), *simulated(rate, seed, given)])


def measure(count: int) -> Measured:
    """Each of the three ways once, on a cluster that is started for it."""
    cores = machine.cores()
    with repeated(count) as folder:
        files = _files(folder, cores)
        print(f"classify_files: {files:.1f} s", flush=True)
        with _cluster(cores) as address:
            start = _command(folder, 2, address)
            print(f"the command for two photos: {start:.1f} s", flush=True)
            command = _command(folder, count, address)
            print(f"the command: {command:.1f} s", flush=True)
            batches = _batches(folder, address)
            print(f"map_batches: {batches:.1f} s\n", flush=True)
    return Measured(count, cores, files, command, start, batches)


@contextlib.contextmanager
def _cluster(cores: int) -> Iterator[str]:
    """The address of a cluster of this machine."""
    import ray

    ray.init("local", num_cpus=cores, include_dashboard=False, logging_level="ERROR")
    try:
        yield str(ray.get_runtime_context().gcs_address)
    finally:
        ray.shutdown()


def _files(folder: Path, cores: int) -> float:
    model = sqznet.load(threads=cores)
    model.classify(next(folder.iterdir()))
    began = time.perf_counter()
    for _, _, error in model.classify_files(folder):
        assert error is None
    return time.perf_counter() - began


def _command(folder: Path, count: int, address: str) -> float:
    paths = [str(folder)] if count > 2 else [str(p) for p in sorted(folder.iterdir())[:count]]
    with tempfile.TemporaryDirectory(prefix="sqznet-bench-") as place:
        # Not in the repository, whose folder `sqznet` would be imported as the package.
        arguments = ["classify", *paths, "--ray", address, "-o", "answers", "-q"]
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "sqznet", *arguments], cwd=place, check=True)
        return time.perf_counter() - began


# Prints the seconds of `map_batches`, with the start of its actors.
BATCHES = """
import sys, time
import ray, ray.data
from sqznet.ray import Classifier, per_core

ray.init(sys.argv[2], logging_level="ERROR")
ray.data.DataContext.get_current().enable_progress_bars = False
began = time.perf_counter()
photos = ray.data.read_binary_files(sys.argv[1], include_paths=True)
found = photos.map_batches(Classifier, **per_core())
assert all(not row["error"] for row in found.iter_rows())
print(time.perf_counter() - began)
ray.shutdown()
"""


def _batches(folder: Path, address: str) -> float:
    command = [sys.executable, "-c", BATCHES, str(folder), address]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout)


@contextlib.contextmanager
def repeated(count: int) -> Iterator[Path]:
    """A folder of this many photos: links to those that there are."""
    photos = find_photos()
    with tempfile.TemporaryDirectory(prefix="sqznet-bench-") as place:
        for i in range(count):
            (Path(place) / f"{i:06}.jpg").symlink_to(photos[i % len(photos)])
        yield Path(place)


def said(measured: Measured) -> list[str]:
    """A table of what was measured, and a note, in Markdown."""
    rows = (
        ("`classify_files`, one process", measured.files),
        ("`sqznet classify --ray`, the whole command", measured.command),
        ("... the same for two photos", measured.start),
        ("`map_batches(Classifier)`, with the start of its actors", measured.batches),
    )
    note = (
        f"The command has {measured.files / measured.command:.2f} of the rate of classify_files on "
        f"these photos, goal {GOAL}; {measured.files / (measured.command - measured.start):.2f} "
        f"without its start. map_batches has {measured.files / measured.batches:.2f}. "
        f"One run of each on {machine.describe([])['cpu']}."
    )
    return [
        f"| {measured.photos:,} photos on {measured.cores} cores | seconds | photos/s |",
        "|---|--:|--:|",
        *(
            f"| {name} | {seconds:.1f} | "
            f"{'' if name.startswith('...') else f'{measured.photos / seconds:.0f}'} |"
            for name, seconds in rows
        ),
        "",
        *textwrap.wrap(note, 100),
        "",
    ]


def cost(rate: float, price: float) -> list[str]:
    """What photos cost at this rate of one core, where an hour of it costs ``price`` dollars."""
    hourly = 3600 * rate
    text = (
        f"A core does {rate:.0f} photos a second: {hourly:,.0f} in an hour. If an hour of a core "
        f"costs {price:g} dollars (an assumption: `--price`), a billion photos take "
        f"{BILLION / hourly:,.0f} core-hours, which cost {BILLION / hourly * price:,.0f} dollars; "
        "reading them from a bucket is not in it."
    )
    return [*textwrap.wrap(text, 100), ""]


def simulated(rate: float, seed: int, given: str) -> list[str]:
    """A table of a simulated run of a billion photos, by the size of its partitions. ``given``: the
    options with which it is printed."""
    assumed = Assumed(photo=1 / rate)
    lines = [
        f"| a billion photos, {assumed.cores:,} cores | hours | cores' time used | nodes lost | "
        "partitions begun again |",
        "|---|--:|--:|--:|--:|",
    ]
    for partition in PARTITIONS:
        found = simulate(BILLION, partition, assumed, seed)
        row = (f"{found.seconds / 3600:.2f}", f"{100 * found.busy:.1f} %", found.lost, found.again)
        lines.append(f"| partitions of {partition:,} | {' | '.join(map(str, row))} |")
    text = (
        f"A simulation, seed {seed} (benchmarks/cluster_model.py): nodes of {assumed.node} cores; "
        f"times of photos and of cores log-normal with deviations {assumed.photo_spread:g} and "
        f"{assumed.core_spread:g}; {assumed.begin:g} s to begin a partition; a node is lost "
        f"{assumed.losses:g} times an hour and replaced after {assumed.replaced:g} s. "
        f"Printed by `python -m benchmarks.scale{given}`."
    )
    return [*lines, "", *textwrap.wrap(text, 100)]


if __name__ == "__main__":
    raise SystemExit(main())
