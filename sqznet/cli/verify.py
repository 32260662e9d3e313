"""`sqznet verify`: checks that the kernels compute correct results on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from sqznet.cli.common import EXIT_OK, EXIT_UNREADABLE, EXIT_USAGE, complain
from sqznet.errors import SqznetError, WeightsError

if TYPE_CHECKING:
    import argparse

    from sqznet.cli.common import Commands
    from sqznet.diagnostics.verification import Check


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "verify",
        help="check that results are correct on this machine",
        description="Compare the kernels with a slow, plain implementation in float64, and check "
        "the hashes of the bundled files and of the results in 8-bit integers. Takes some seconds;"
        " the exit code is 1 if a check fails.",
        examples=(
            "sqznet verify",
            "sqznet verify --isa avx2",
        ),
    )
    parser.add_argument("--json", action="store_true", help="print JSON: a list of objects")
    parser.add_argument(
        "--isa", metavar="NAME", help="the instruction set to check (default: all that run here)"
    )


def run(args: argparse.Namespace) -> int:
    from sqznet.diagnostics.verification import checks

    done: list[Check] = []
    try:
        for check in checks(args.isa):
            done.append(check)
            if args.json:
                continue
            verdict = "ok    " if check.passed else "WRONG "
            print(f"{verdict} {check.subject:<11} {check.name:<44} {check.finding}", flush=True)
    except WeightsError as error:
        complain(error)
        return EXIT_UNREADABLE
    except SqznetError as error:  # an invalid instruction set or SQZNET_THREADS
        complain(error)
        return EXIT_USAGE
    failed = sum(not check.passed for check in done)
    if args.json:
        print(json.dumps([asdict(check) for check in done], indent=2))
    else:
        count = len(done)
        print(f"{failed} of {count} checks failed" if failed else f"all {count} checks passed")
    return EXIT_UNREADABLE if failed else EXIT_OK
