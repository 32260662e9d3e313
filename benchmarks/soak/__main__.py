"""python -m benchmarks.soak [--minutes M] [--memory-minutes M] [--seed N] [--only NAME] [--write]

Exits with 1 after a failure, or if memory grew by 2 MB or more. --write puts the tables into
docs/reliability.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.soak import forks, hostile, interrupts, memory, writers
from benchmarks.soak.outcome import Outcome

_ROOT = Path(__file__).resolve().parents[2]
_PAGE = _ROOT / "docs" / "reliability.md"
_MAX_GROWTH = 2.0  # MB

KINDS: dict[str, Callable[[Path, float, int], Outcome]] = {
    "hostile": hostile.run,
    "interrupts": interrupts.run,
    "forks": forks.run,
    "writers": writers.run,
    "truncated": writers.run_truncated,
}


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tried(outcomes: list[Outcome]) -> str:
    return table(("what is tried", "cases", "failures"), [outcome.row() for outcome in outcomes])


def held(measured: list[memory.Measured]) -> str:
    rows = [(f"{m.seconds / 60:.1f}", f"{m.rounds:,}", f"{m.megabytes:.1f}") for m in measured[::2]]
    grown = f"From the first to the last: {memory.growth(measured):+.2f} MB.\n"
    return table(("minutes", "rounds of work", "resident MB"), rows) + "\n" + grown


def write(marker: str, text: str) -> None:
    """Replaces what stands between the comments of this name on the page."""
    begin, end = f"<!-- {marker}:begin -->\n", f"<!-- {marker}:end -->"
    page = _PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    _PAGE.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="for each kind of case")
    parser.add_argument("--memory-minutes", type=float, default=10.0, help="0: leave it out")
    parser.add_argument("--seed", type=int, default=0, help="other cases")
    parser.add_argument("--only", choices=KINDS, action="append", help="one kind of case")
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md")
    args = parser.parse_args()
    outcomes, failed = [], False
    for name in args.only or KINDS:
        with tempfile.TemporaryDirectory(prefix="sqznet-soak-") as folder:
            outcome = KINDS[name](Path(folder), 60 * args.minutes, args.seed)
        outcomes.append(outcome)
        failed |= bool(outcome.failures)
        print(f"{outcome.name}: {outcome.tried} cases, {len(outcome.failures)} failures")
        for failure in outcome.failures[:20]:
            print(f"  {failure}")
        sys.stdout.flush()
    if args.write:
        write("tried", tried(outcomes))
    if args.memory_minutes:
        with tempfile.TemporaryDirectory(prefix="sqznet-soak-") as folder:
            measured = memory.run(Path(folder), 60 * args.memory_minutes)
        print(held(measured))
        failed |= memory.growth(measured) >= _MAX_GROWTH
        if args.write:
            write("memory", held(measured))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
