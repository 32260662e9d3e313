"""8-bit integers on this machine: times against the others' 8-bit networks, ratios, working set.

python -m benchmarks.integers [--avx2] [--rounds N] [--engines NAMES]

The goals of docs/quantization.md stand beside what is measured. --avx2 limits sqznet and OpenVINO
to AVX2, on a processor that has more; no other engine can be limited, so they are left out. What
ARM boards need is counted by `python -m benchmarks.instructions`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import sqznet
from benchmarks import cases, engines, machine, measure, report
from benchmarks.engines.base import SIZE
from benchmarks.results import CaseResult

# Where products of bytes take one instruction, and elsewhere.
RIVAL_GOALS = {True: 0.60, False: 0.75}
FLOAT_GOAL, QDQ_GOAL, MEGABYTES_GOAL = 0.50, 0.75, 1.2
_FAST = ("avx512_vnni", "avx_vnni")
# What limits the engines to AVX2, and those that it limits.
_AVX2 = {"SQZNET_ISA": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
_LIMITED = (engines.OURS, "openvino")


def working_set() -> tuple[str, float]:
    """The set of int8 kernels, and the MB of SqueezeNet 1.1's maps and scratch memory."""
    model = sqznet.load(precision="int8", threads=1)
    workspace = model.executor.acquire(1, SIZE, SIZE)
    return model.executor.kernels.int8.isa, workspace.nbytes / 1e6


def quotient(result: CaseResult, name: str, other: str | None) -> float | None:
    """The median of one engine over that of another, if both were timed."""
    ours, theirs = result.median_of(name), result.median_of(other) if other else None
    return ours / theirs if ours and theirs else None


def rows(
    results: Sequence[CaseResult], isa: str, megabytes: float
) -> list[tuple[str, str, str, str]]:
    """The table: what, measured, goal, whether it is met."""
    ours, rival_goal = engines.INT8[engines.OURS], RIVAL_GOALS[isa in _FAST]
    found: list[tuple[str, float | None, float]] = []
    for result in results:
        variant, rival = result.case.variant, result.best_rival
        best = rival.engine if rival else None
        found.append((f"{variant}: int8 / {best or 'best int8 rival'}", result.ratio, rival_goal))
        if isa in _FAST:
            share = quotient(result, ours, engines.OURS)
            found.append((f"{variant}: int8 / float32", share, FLOAT_GOAL))
        share = quotient(result, "sqznet_qdq", engines.INT8["onnxruntime"])
        found.append((f"{variant}: QDQ file, ours / onnxruntime", share, QDQ_GOAL))
    found.append(("1.1: working set, MB", megabytes, MEGABYTES_GOAL))
    return [("what", "here", "goal", "")] + [
        (what, "-", f"{goal:.2f}", "not measured")
        if value is None
        else (what, f"{value:.3f}", f"{goal:.2f}", "met" if value <= goal else "missed")
        for what, value, goal in found
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 if anything was timed, 1 if nothing was, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.integers", description=__doc__)
    parser.add_argument("--avx2", action="store_true", help="limit sqznet and OpenVINO to AVX2")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument(
        "--engines", type=lambda text: tuple(text.split(",")), default=engines.NAMES
    )
    options = parser.parse_args(arguments)
    names = options.engines
    if options.avx2:
        os.environ.update(_AVX2)
        names = tuple(name for name in names if name in _LIMITED)
    setup = measure.Setup(engines=names, rounds=max(1, options.rounds))
    isa, megabytes = working_set()
    facts = machine.describe(name for name in names if name in engines.INT8)
    print(report.machine({**facts, "int8 kernels": isa}), flush=True)
    results = []
    for case in cases.select(["*int8*"]):
        results.append(measure.run(case, setup))
        print(f"\n{report.case(results[-1])}", flush=True)
    print(f"\nMedians of {setup.rounds} interleaved rounds, one thread.")
    print(report.table(rows(results, isa, megabytes), right=(1, 2)))
    return 0 if any(result.measured for result in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
