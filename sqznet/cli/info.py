"""`sqznet info`: what is used on this machine, and why."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import sqznet
from sqznet import weights
from sqznet.cli.common import EXIT_OK, EXIT_UNREADABLE, EXIT_USAGE, complain, print_table
from sqznet.engine import cpu, precision

if TYPE_CHECKING:
    import argparse

    from sqznet.cli.common import Commands
    from sqznet.weights import Checkpoint


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "info",
        help="show the version, instruction set, threads and weights in use",
        description="Show what sqznet uses on this machine, and why.",
        examples=(
            "sqznet info",
            "SQZNET_THREADS=1 sqznet info --json",
        ),
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    try:
        machine = cpu.info()
        checkpoint, detector = weights.bundled(), weights.read(weights.DETECTOR_PATH)
        chosen, auto = (_precision(checkpoint, asked) for asked in (None, "auto"))
    except (sqznet.WeightsError, OSError) as error:
        complain(error)
        return EXIT_UNREADABLE
    except sqznet.SqznetError as error:  # SQZNET_ISA, SQZNET_THREADS or SQZNET_PRECISION
        complain(error)
        return EXIT_USAGE
    rows = [
        ("version", sqznet.__version__),
        *(
            (f"kernels for {family}", f"{isa}: {reason}")
            for family, (isa, reason) in machine["families"].items()
        ),
        ("can run here", ", ".join(machine["available"])),
        ("compiled in", ", ".join(machine["compiled"])),
        (
            "CPU features",
            ", ".join(k for k, v in machine["features"].items() if v) or "none known",
        ),
        ("threads", f"{machine['threads']}: {machine['threads_reason']}"),
        ("precision", chosen),
        ("precision 'auto'", auto),
        ("weights", f"{checkpoint.variant}, {len(checkpoint.labels or ())} classes"),
        ("weights file", f"{checkpoint.path} ({_file_size(checkpoint.path)})"),
        *_origins(checkpoint.metadata.get("provenance", "")),
        ("detector", f"{detector.variant}, {', '.join(detector.labels or ())}"),
        ("detector file", f"{detector.path} ({_file_size(detector.path)})"),
    ]
    if args.json:
        print(json.dumps(dict(rows), indent=2))
    else:
        print_table(rows)
    return EXIT_OK


def _precision(checkpoint: Checkpoint, asked: str | None) -> str:
    """What the bundled weights are computed in if this is asked for, and why."""
    settings = checkpoint.preprocessing, cpu.kernels()
    chosen, reason = precision.chosen(asked, checkpoint, *settings)
    return f"{chosen}: {reason}"


def _origins(provenance: str) -> list[tuple[str, str]]:
    """Rows with the origin of the bundled weights, from the record in the file."""
    try:
        record = json.loads(provenance)
        return [
            ("weights from", record["weights"]),
            ("by way of", record["package"]),
            ("class names from", record["labels"]),
        ]
    except (ValueError, TypeError, KeyError):
        return [("weights from", provenance or "not recorded in the file")]


def _file_size(path: str) -> str:
    """The size of a file in decimal megabytes."""
    return f"{os.path.getsize(path) / 1e6:.2f} MB"
