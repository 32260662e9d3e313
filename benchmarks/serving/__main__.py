"""python -m benchmarks.serving [--rounds N] [--seconds S] [--photos DIR] [--soak MINUTES]

Compares photos a second of `sqznet serve`, with callers on the same machine, with the same photos
in this process and with other engines behind FastAPI: decoded photos (as UINT8 tensors, against
threads that call `Model.classify`) and JPEG files (`POST /classify`, against `classify_files`). All
take turns, and callers run in a process of their own, whose cost is printed, too. Then come more
callers than the server takes, and SIGTERM under load. --soak does none of this, but loads a server
for minutes with good and bad requests, and counts.

Exits with 1 if something is lost, late, or answered in another way than expected.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import sqznet
from benchmarks import machine, report
from benchmarks.engines import get
from benchmarks.material import find_photos
from benchmarks.serving import rates, soak, stress
from benchmarks.serving.material import post, read
from benchmarks.serving.programs import rival, served

_MOST_PHOTOS = 64
_RIVALS = ("onnxruntime",)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--photos", type=Path, metavar="DIR", help="default: the shared folder's")
    parser.add_argument("--alone", action="store_true", help="without other engines")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="this instead")
    options = parser.parse_args(arguments)
    paths = find_photos(options.photos)[:_MOST_PHOTOS]
    if options.soak is not None:
        return soak.run([path.read_bytes() for path in paths], 60 * options.soak)
    engines = () if options.alone else [name for name in _RIVALS if _is_there(name)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as elsewhere:
        measured = _rates(paths, engines, options, elsewhere)
        failures = rates.failures(measured)
        print(rates.table(measured))
        print("\n" + "\n".join(rates.said(measured)), flush=True)
        files = [post("/classify", path.read_bytes()) for path in paths]
        for text, failed in (
            stress.overload(files, options.seconds, elsewhere),
            stress.stopped(files, options.callers, elsewhere),
        ):
            print(text, flush=True)
            failures += failed
    print(f"\n{report.machine(machine.describe(engines))}")
    return 1 if failures else 0


def _rates(
    paths: Sequence[Path],
    engines: Sequence[str],
    options: argparse.Namespace,
    elsewhere: Executor,
) -> list[rates.Round]:
    with ExitStack() as stack:
        ours = stack.enter_context(served("-q"))
        model = sqznet.load()
        rivals = {name: stack.enter_context(rival(name, model.threads)) for name in engines}
        works = rates.turns(model, read(paths), options.callers, ours, rivals, elsewhere)
        return rates.measure(works, options.rounds, options.seconds)


def _is_there(engine: str) -> bool:
    reason = get(engine).available()
    if reason is None:
        try:
            import fastapi
        except ImportError as error:
            reason = f"fastapi is not installed ({error})"
        else:
            del fastapi
    if reason is not None:
        print(f"left out: {engine}: {reason}", file=sys.stderr)
    return reason is None


if __name__ == "__main__":
    raise SystemExit(main())
