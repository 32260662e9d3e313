"""Compares sqznet with other engines on this machine.

python -m benchmarks.compare                        everything, some minutes
python -m benchmarks.compare --cases '1.1-b1-*'     some cases
python -m benchmarks.compare --engines sqznet,ncnn --rounds 5 --json out.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):  # run as a script: its folder is on the path, not the root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import cases, engines, machine, measure, report


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 if anything was timed, 1 if nothing was, 2 for wrong usage."""
    options = _parse(arguments)
    setup = measure.Setup(
        engines=options.engines,
        rounds=options.rounds,
        photos=options.photos,
        weights={
            variant: path
            for variant, path in (("1.0", options.weights_1_0), ("1.1", options.weights_1_1))
            if path is not None
        },
    )
    facts = machine.describe(options.engines)
    print(report.machine(facts), flush=True)
    results = []
    for case in options.cases:
        results.append(measure.run(case, setup))
        print(f"\n{report.case(results[-1])}", flush=True)
    print(f"\nMedians of {options.rounds} interleaved rounds; ratio = sqznet / best rival.")
    print(report.summary(results))
    if options.json is not None:
        record = {
            "machine": facts,
            "rounds": options.rounds,
            "cases": [result.to_dict() for result in results],
        }
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0 if any(result.measured for result in results) else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description="sqznet against other CPU engines: same weights, photos and threads.",
    )
    names = ", ".join(c.name for c in cases.CASES)
    parser.add_argument("--cases", type=_cases, default=cases.CASES, help=f"of: {names}")
    parser.add_argument(
        "--engines", type=_engines, default=engines.NAMES, help=f"of: {', '.join(engines.NAMES)}"
    )
    parser.add_argument("--rounds", type=_positive, default=20)
    parser.add_argument("--json", type=Path, metavar="FILE", help="every sample, for plots")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="JPEG photos to use")
    for variant in ("1.0", "1.1"):
        parser.add_argument(
            f"--weights-{variant}",
            type=Path,
            metavar="FILE",
            dest=f"weights_{variant.replace('.', '_')}",
            help=f"SqueezeNet {variant} for every engine, in a format that sqznet reads",
        )
    return parser.parse_args(arguments)


def _cases(text: str) -> tuple[cases.Case, ...]:
    try:
        return cases.select(text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _engines(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in engines.NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown engine {', '.join(unknown)}")
    return names


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
