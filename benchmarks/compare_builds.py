"""Whether a build is slower or larger than another: `nox -s compare_builds -- OLD [NEW]`.

OLD and NEW are wheels or Git revisions, of which wheels are built; without NEW it is the working
tree. Both are installed beside each other and run in turns, in a new random order each round, in
processes that are started anew several times. The exit code is 1 if something surely costs more
than it may; what is only "unclear" wants an idle machine or more rounds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import builds, cases, machine, paired, report
from benchmarks.builds import Build
from benchmarks.cases import Case
from benchmarks.engines.base import read_with_pillow
from benchmarks.instructions import CROSS, Counter
from benchmarks.material import BUNDLED, SHARED, find_photos, made_up_weights, some
from benchmarks.model_files import safetensors_file
from benchmarks.paired import Ratio

LIMIT = 1.02
INSTRUCTIONS_LIMIT = 1.01
CASES = (
    *(cases.latency(v, b, t) for v in ("1.1", "1.0") for b in (1, 16) for t in (1, 2)),
    Case("jpeg-1t", "jpeg", "1.1", 1, 1),
    Case("cold", "cold", "1.1", 1, 0),
)
_CALLS = {"jpeg": 5, 1: 5, 16: 1}  # in a turn; of a batch by its size
_BATCH = 16

Turn = Callable[[Build], float]  # the seconds that a build takes
Groups = list[list[tuple[float, float]]]


@dataclass(frozen=True)
class Amount:
    """What both builds need of something that hardly varies from run to run."""

    name: str
    old: float
    new: float
    unit: str
    limit: float

    @property
    def ratio(self) -> float:
        return self.new / self.old

    @property
    def exceeded(self) -> bool:
        return self.ratio > self.limit


class Comparison:
    """Two builds, and what both are fed."""

    def __init__(self, old: Build, new: Build, folder: Path) -> None:
        self._builds = (old, new)
        self._folder = folder
        self._photos = find_photos()
        self._order = random.Random(0)
        larger = SHARED / "weights" / "squeezenet1_0.pth"
        self.notes = [] if larger.is_file() else [f"1.0 has made-up weights: {larger} is absent"]
        if self.notes:
            larger = safetensors_file.write(made_up_weights("1.0"), folder / "1_0.safetensors")
        self._weights = {"1.1": str(BUNDLED), "1.0": str(larger)}
        inputs = np.concatenate([read_with_pillow(photo) for photo in some(self._photos, _BATCH)])
        np.save(folder / "inputs.npy", inputs)

    def logits(self) -> Iterator[str]:
        """For each network a line that says whether both builds compute the same."""
        with self._processes() as children:
            for variant in self._weights:
                found = []
                for child in children.values():
                    target = self._folder / "logits.npy"
                    child.ask("logits", variant=variant, target=str(target))
                    found.append(np.load(target))
                old, new = found
                error = np.abs(new - old).max() / np.abs(old).max()
                same = "the same to the last bit"
                differ = f"differ by up to {error:.1e} of the largest"
                yield f"logits of SqueezeNet {variant}: {differ if error else same}"

    def sizes(self) -> Iterator[Amount]:
        """The wheels, and the memory that one image passes through."""
        old, new = (build.wheel.stat().st_size / 1e3 for build in self._builds)
        yield Amount("wheel", old, new, "kB", LIMIT)
        for variant, weights in self._weights.items():
            old, new = (builds.working_set(build, weights) / 1e3 for build in self._builds)
            yield Amount(f"{variant} working set", old, new, "kB", LIMIT)

    def instructions(self) -> Iterator[Amount]:
        """Millions that one image costs on an emulated Cortex-A72."""
        counter = Counter(self._folder, "cortex-a72")
        packages = [
            builds.unpacked_for_aarch64(build, self._folder / f"aarch64-{number}")
            for number, build in enumerate(self._builds)
        ]
        image = self._folder / "image.npy"
        np.save(image, np.load(self._folder / "inputs.npy")[:1])
        for variant, weights in self._weights.items():
            old, new = (
                counter.inference("sqznet", weights, image, package)[0] / 1e6
                for package in packages
            )
            yield Amount(f"{variant} instructions", old, new, "M", INSTRUCTIONS_LIMIT)

    def times(self, chosen: Sequence[Case], processes: int, rounds: int) -> dict[Case, Groups]:
        """Pairs of seconds (old, new) of each case, those of one pair of processes together."""
        found: dict[Case, Groups] = {case: [] for case in chosen}
        for _ in range(processes):
            with self._processes() as children:
                groups: dict[Case, list[tuple[float, float]]] = {case: [] for case in chosen}
                for number in range(rounds):
                    for case in chosen:
                        turn = self._turn(case, children, number)
                        groups[case].append(self._pair(turn))
                for case, pairs in groups.items():
                    # Each cold start is a process of its own.
                    found[case] += [[pair] for pair in pairs] if case.kind == "cold" else [pairs]
        return found

    @contextmanager
    def _processes(self) -> Iterator[dict[Build, builds.Child]]:
        setup = {"weights": self._weights, "inputs": str(self._folder / "inputs.npy")}
        with ExitStack() as stack:
            children = {}
            for build in self._builds:
                children[build] = builds.Child(build, setup)
                stack.callback(children[build].close)
            yield children

    def _turn(self, case: Case, children: dict[Build, builds.Child], number: int) -> Turn:
        (photo,) = some(self._photos, 1, number)
        if case.kind == "cold":
            return lambda build: builds.cold_start(build, photo)
        request: dict[str, Any] = {"variant": case.variant, "threads": case.threads}
        if case.kind == "jpeg":
            request |= {"do": "jpeg", "photo": photo, "calls": _CALLS["jpeg"]}
        else:
            request |= {"do": "latency", "batch": case.batch, "calls": _CALLS[case.batch]}
        return lambda build: statistics.median(children[build].ask(**request))

    def _pair(self, turn: Turn) -> tuple[float, float]:
        order = list(self._builds)
        self._order.shuffle(order)
        seconds = {build: turn(build) for build in order}
        old, new = self._builds
        return seconds[old], seconds[new]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 if a limit is surely exceeded; 2 for wrong usage."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="sqznet-builds-") as name:
        folder = Path(name)
        old = builds.obtain(options.old, folder / "old")
        new = builds.obtain(options.new, folder / "new")
        print(report.machine(machine.describe(()) | {"old": old.name, "new": new.name}), end="\n\n")
        comparison = Comparison(old, new, folder)
        print("\n".join([*comparison.notes, *comparison.logits()]), end="\n\n", flush=True)
        amounts = list(comparison.sizes())
        if options.instructions:
            amounts += comparison.instructions()
        print(amounts_table(amounts), end="\n\n", flush=True)
        meter = machine.OthersMeter()
        times = comparison.times(options.cases, options.processes, options.rounds)
    table, ratios = times_table(times)
    print(table)
    if (meter.cores() or 0) > report.BUSY:
        print(report.UNFAIR)
    slower = [ratio for ratio in ratios if ratio.verdict(LIMIT) == "EXCEEDED"]
    return int(bool(slower) or any(amount.exceeded for amount in amounts))


def amounts_table(amounts: Sequence[Amount]) -> str:
    """A line for each amount, for people."""
    rows = [("", "old", "new", "", "ratio", "limit", "")]
    for amount in amounts:
        numbers = (f"{amount.old:.1f}", f"{amount.new:.1f}", amount.unit)
        verdict = "EXCEEDED" if amount.exceeded else "ok"
        limit = f"{amount.limit:.2f}"
        rows.append((amount.name, *numbers, f"{amount.ratio:.4f}", limit, verdict))
    return report.table(rows, right=(1, 2, 4, 5))


def times_table(times: Mapping[Case, Groups]) -> tuple[str, list[Ratio]]:
    """A line for each case, for people, and its ratio."""
    rows = [("case", "old ms", "new ms", "ratio", "95 %", "limit", "")]
    ratios = []
    for case, groups in times.items():
        found = paired.ratio(groups)
        pairs = [pair for group in groups for pair in group]
        old, new = (f"{statistics.median(side) * 1e3:.3f}" for side in zip(*pairs, strict=True))
        between = f"{found.low:.4f} to {found.high:.4f}"
        verdict = found.verdict(LIMIT)
        rows.append((case.name, old, new, f"{found.median:.4f}", between, f"{LIMIT:.2f}", verdict))
        ratios.append(found)
    return report.table(rows, right=(1, 2, 3, 5)), ratios


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_builds")
    parser.add_argument("old", metavar="OLD", help="a wheel, or a revision as Git names it")
    parser.add_argument("new", metavar="NEW", nargs="?", help="likewise; default: the working tree")
    names = ", ".join(case.name for case in CASES)
    parser.add_argument("--cases", help=f"patterns, of: {names}")
    parser.add_argument("--processes", type=int, default=8, help="pairs of them, one after another")
    parser.add_argument("--rounds", type=int, default=15, help="of each pair of processes")
    parser.add_argument(
        "--instructions",
        action="store_true",
        help="count them on an emulated Cortex-A72, too, after scripts/cross.sh aarch64",
    )
    options = parser.parse_args(arguments)
    wanted = (options.cases or "*").split(",")
    options.cases = [c for c in CASES if any(fnmatch(c.name, pattern) for pattern in wanted)]
    if not options.cases or options.processes < 1 or options.rounds < 1:
        parser.error("nothing to measure")
    if options.instructions and not (CROSS / "python").is_dir():
        parser.error("--instructions needs scripts/cross.sh aarch64 to have run")
    if options.instructions and ".whl" in f"{options.old}{options.new}":
        parser.error("--instructions needs sources, so revisions in place of wheels")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
