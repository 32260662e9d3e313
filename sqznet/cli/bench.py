"""`sqznet bench`: measures the speed on this machine."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    add_engine_options,
    complain,
    load_model,
    number,
    print_table,
)
from sqznet.errors import ImageError

if TYPE_CHECKING:
    from sqznet.cli.common import Commands
    from sqznet.diagnostics.measuring import Latency, Measurement

_BAR = 40  # characters of the longest bar


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "bench",
        help="measure the speed on this machine",
        description="Measure latency, images per second, the time of each layer and the memory on "
        "this machine. Takes about 1.6 times the given seconds.",
        examples=(
            "sqznet bench",
            "sqznet bench --threads 1 --precision int8 --json",
        ),
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=10.0,
        metavar="S",
        help="how long to classify continuously; 600 shows whether the processor slows down as it "
        "warms up (default: %(default)g)",
    )
    parser.add_argument(
        "--photo", metavar="FILE", help="the photo to classify (default: a generated one)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="the weights, a file or a name as for 'sqznet classify', or a recognizer (default: "
        "the bundled SqueezeNet 1.1)",
    )
    parser.add_argument(
        "--backbone",
        metavar="FILE",
        help="the network that a recognizer was trained on (default: the bundled one)",
    )
    add_engine_options(parser)


def _seconds(text: str) -> float:
    value = number(text)
    if not value >= 0.1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0.1, got {text!r}")
    return value


def run(args: argparse.Namespace) -> int:
    model = load_model(args)
    if isinstance(model, int):
        return model
    from sqznet.diagnostics.measuring import measure

    try:
        found = measure(model, args.seconds, args.photo)
    except ImageError as error:
        complain(error)
        return EXIT_UNREADABLE
    if args.json:
        import json
        from dataclasses import asdict

        print(json.dumps(asdict(found), indent=2))
    else:
        _print(found)
    return EXIT_OK


def _print(found: Measurement) -> None:
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    peak = found.peak_memory_bytes
    print_table(
        [
            (
                "sqznet",
                f"{found.version}, {found.variant}, {found.precision}, {found.isa} kernels, "
                f"{threads}",
            ),
            ("machine", f"{found.cpu}, {found.cores} usable cores"),
            ("system", f"{found.system}, Python {found.python}"),
            ("photo", found.photo),
            ("memory", "peak unknown" if peak is None else f"{peak / 1e6:.1f} MB at the peak"),
            ("", f"{found.weights_bytes / 1e6:.2f} MB weights"),
            ("", f"{found.workspace_bytes / 1e6:.2f} MB working memory for one image"),
        ]
    )
    print("\nmilliseconds         min      p50      p90      p99   runs")
    _print_latency(f"network, {found.size[0]} x {found.size[1]}", found.forward)
    _print_latency("file to answer", found.file_to_answer)
    print("\nlayer              median ms")
    _print_bars(list(found.layers_ms.items()), digits=3)
    print(f"\nimages per second: {found.images_per_second:.1f}, over {found.seconds:g} s")
    starts = (f"from {i * found.interval_seconds:g} s" for i in range(len(found.interval_rates)))
    _print_bars(list(zip(starts, found.interval_rates, strict=True)), digits=1)


def _print_latency(name: str, times: Latency) -> None:
    columns = (times.min_ms, times.p50_ms, times.p90_ms, times.p99_ms)
    print(f"{name:<18}", *(f" {value:7.2f}" for value in columns), f" {times.runs:>5}", sep="")


def _print_bars(rows: list[tuple[str, float]], digits: int) -> None:
    most = max(value for _, value in rows)
    for name, value in rows:
        print(f"{name:<18} {value:9.{digits}f}  {'#' * round(_BAR * value / most)}")
