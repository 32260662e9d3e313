"""Results as text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from benchmarks.engines import OURS
from benchmarks.results import CaseResult

BUSY = 0.1  # cores; more than this is reported
UNFAIR = "* other programs kept the cores busy: not a fair run"


def machine(facts: Mapping[str, str]) -> str:
    """One line per fact."""
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts.items())


def case(result: CaseResult) -> str:
    """One case: engines from fastest to slowest, then those not timed and why."""
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
    if mark(result):
        lines.append(f"  NOT A FAIR RUN: other programs kept {result.others:.1f} cores busy")
    return "\n".join(lines)


def summary(results: Sequence[CaseResult]) -> str:
    """One line per case: sqznet, its best rival, the ratio of their medians, the slower one."""
    header = ("case", OURS, "best rival", "", "ratio", "slower")
    rows = [header, *(_row(r) for r in results)]
    lines = table(rows, right=(1, 3, 4)).split("\n")
    if any(map(mark, results)):
        lines.append(UNFAIR)
    return "\n".join(lines)


def table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Rows in aligned columns, the first is the heading; columns in `right` are right-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def mark(result: CaseResult) -> str:
    """An asterisk for a case that was measured on a busy machine."""
    return "*" if (result.others or 0) > BUSY else ""


def _row(result: CaseResult) -> tuple[str, ...]:
    ours, rival, ratio = result.ours, result.best_rival, result.ratio
    return (
        result.case.name + mark(result),
        f"{ours.median:.2f} ms" if ours else "-",
        rival.engine if rival else "-",
        f"{rival.median:.2f} ms" if rival else "-",
        f"{ratio:.2f}" if ratio is not None else "-",
        result.loser or ("skipped" if result.skipped else "-"),
    )
