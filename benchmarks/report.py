"""Results as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.engines import OURS
from benchmarks.results import CaseResult

_BUSY = 0.1  # cores; above it a run says so


def machine(facts: Mapping[str, str]) -> str:
    """One line per fact."""
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts.items())


def case(result: CaseResult) -> str:
    """One case: engines from quickest to slowest, then those not timed and why."""
    lines = [f"{result.case.name}: {result.case.title}"]
    if result.skipped:
        return f"{lines[0]}\n  skipped: {result.skipped}"
    measured = result.measured
    memory = any(e.peak_mb for e in measured)
    lines.append(f"  {'engine':<14}{'median':>9}{'min':>9}" + ("  peak MB" if memory else ""))
    for engine in measured:
        line = f"  {engine.engine:<14}{engine.median:>9.2f}{min(engine.samples):>9.2f}"
        lines.append(line + (f"{engine.peak_mb or 0:>9.0f}" if memory else ""))
    lines += [f"  {e.engine:<14} not timed: {e.skipped}" for e in result.engines if e.skipped]
    if _mark(result):
        lines.append(
            f"  NOT A FAIR RUN: other programs kept {result.others:.1f} cores busy meanwhile"
        )
    return "\n".join(lines)


def summary(results: Sequence[CaseResult]) -> str:
    """Every case on a line: sqznet, its best rival, the ratio of their medians, the slower one."""
    header = ("case", OURS, "best rival", "", "ratio", "slower")
    rows = [header, *(_row(r) for r in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    right = (1, 3, 4)
    lines = []
    for row in rows:
        cells = [
            c.rjust(w) if i in right else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    if any(map(_mark, results)):
        lines.append("* other programs kept the cores busy: not a fair run")
    return "\n".join(lines)


def _mark(result: CaseResult) -> str:
    return "*" if (result.others or 0) > _BUSY else ""


def _row(result: CaseResult) -> tuple[str, ...]:
    ours, rival, ratio = result.ours, result.best_rival, result.ratio
    return (
        result.case.name + _mark(result),
        f"{ours.median:.2f} ms" if ours else "-",
        rival.engine if rival else "-",
        f"{rival.median:.2f} ms" if rival else "-",
        f"{ratio:.2f}" if ratio is not None else "-",
        result.loser or ("skipped" if result.skipped else "-"),
    )
