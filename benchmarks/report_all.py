"""Measures everything and writes docs/benchmarks.md, the figures and the README block.

python -m benchmarks.report_all                                   measure, then write, ~10 minutes
python -m benchmarks.report_all --from-json docs/benchmarks.json  write again without measuring
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import compare, plots, report
from benchmarks.engines import OURS
from benchmarks.lab import layers, scaling
from benchmarks.material import ROOT
from benchmarks.results import CaseResult

BEGIN, END = "<!-- speed:begin -->", "<!-- speed:end -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for wrong usage."""
    options = _parse(arguments)
    fill(options.readme.read_bytes().decode(), "")  # a failure here would otherwise come at the end
    plots.library()
    if options.from_json is not None:
        record = json.loads(options.from_json.read_text(encoding="utf-8"))
    else:
        record = measure(options.rounds, options.cases)
    options.docs.mkdir(parents=True, exist_ok=True)
    for path in write(record, options.docs, options.readme):
        print(f"wrote {path}")
    return 0


def measure(rounds: int, cases: str | None = None) -> dict[str, Any]:
    """Compares, then measures inside sqznet; prints intermediate results."""
    with tempfile.TemporaryDirectory(prefix="sqznet-bench-") as folder:
        out = Path(folder) / "compare.json"
        chosen = ["--cases", cases] if cases else []
        compare.main(["--rounds", str(rounds), "--json", str(out), *chosen])
        record: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    record["layers"] = layers.measure()
    print(f"\n{layers.text(record['layers'])}", flush=True)
    record["scaling"] = scaling.measure()
    print(f"\n{scaling.text(record['scaling'])}", flush=True)
    return record


def write(record: dict[str, Any], docs: Path, readme: Path) -> list[Path]:
    """Writes all results of `record` to files; returns their paths."""
    results = [CaseResult.from_dict(case) for case in record["cases"]]
    pages = {"benchmarks.json": compact_json(record), "benchmarks.md": page(record, results)}
    for name, text in pages.items():
        (docs / name).write_bytes(text.encode())
    paths = plots.draw(docs, record["machine"], results, record["layers"], record["scaling"])
    filled = fill(readme.read_bytes().decode(), readme_block(record, results))
    readme.write_bytes(filled.encode())
    return [*(docs / name for name in pages), *paths, readme]


def fill(text: str, block: str, begin: str = BEGIN, end: str = END) -> str:
    """`text` with `block` between the markers; everything else is unchanged."""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"expected {begin} and then {end}, once each")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{block.strip()}\n{end}{after}"


def fill_page(page: Path, block: str, begin: str, end: str) -> None:
    """Puts `block` between the markers of a page, and says so."""
    text = page.read_text(encoding="utf-8")
    page.write_text(fill(text, block, begin, end), encoding="utf-8")
    print(f"wrote {page}")


def readme_block(record: dict[str, Any], results: Sequence[CaseResult]) -> str:
    """The main table and figure, with the name of the machine."""
    rows = [row for result in results for row in _rows(result)]
    facts = record["machine"]
    rivals = ", ".join(e.engine for e in results[0].engines if e.engine != OURS)
    notes = (
        f"Measured on {facts['cpu']}, cores: {facts['cores']}; {record['layers']['isa']} kernels. "
        f"The ratio is {OURS} / the best of {rivals}: medians of {record['rounds']} interleaved "
        "rounds with the same fp32 weights, photos and number of threads. All tables: "
        "[docs/benchmarks.md](docs/benchmarks.md). `nox -s bench` compares them on your machine."
    )
    lines = [
        "![latency by engine](docs/latency.svg)",
        "",
        f"| | {OURS} | best rival | ratio |",
        "|---|---|---|---|",
        *rows,
        "",
        *textwrap.wrap(notes, 100, break_long_words=False, break_on_hyphens=False),
    ]
    if any(map(report.mark, results)):
        lines += ["", report.UNFAIR.replace("*", "\\*")]
    return "\n".join(lines)


def _rows(result: CaseResult) -> list[str]:
    ours, rival = result.ours, result.best_rival
    if ours is None or rival is None or result.ratio is None:
        return []
    title, _, unit = result.case.title.partition(": ")
    title += report.mark(result).replace("*", "\\*")
    cells = (
        f"{title}, {unit}",
        f"{ours.median:.2f}",
        f"{rival.median:.2f} ({rival.engine})",
        f"**{result.ratio:.2f}**",
    )
    rows = [f"| {' | '.join(cells)} |"]
    rivals = [e for e in result.measured if e.engine != OURS and e.peak_mb]
    if ours.peak_mb and rivals:
        least = min(rivals, key=lambda e: e.peak_mb or 0.0)
        assert least.peak_mb is not None
        rows.append(
            f"| The same, peak memory, MB | {ours.peak_mb:.0f} "
            f"| {least.peak_mb:.0f} ({least.engine}) | **{ours.peak_mb / least.peak_mb:.2f}** |"
        )
    return rows


def page(record: dict[str, Any], results: Sequence[CaseResult]) -> str:
    """docs/benchmarks.md: all tables as printed by the commands."""
    cases = "\n\n".join(report.case(result) for result in results)
    sections = [
        "# Benchmarks",
        "Written by `python -m benchmarks.report_all`; every figure is from one run of it.",
        f"## The machine\n\n{_block(report.machine(record['machine']))}",
        "## sqznet and the others\n\n"
        f"Medians of {record['rounds']} interleaved rounds; ratio = {OURS} / best rival.\n\n"
        f"![latency by engine](latency.svg)\n\n{_block(report.summary(results))}\n\n"
        f"{_block(cases)}",
        f"## Layers\n\n![layers](layers.svg)\n\n{_block(layers.text(record['layers']))}",
        f"## Scaling\n\n![scaling](scaling.svg)\n\n{_block(scaling.text(record['scaling']))}",
    ]
    return "\n\n".join(sections) + "\n"


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


def compact_json(record: dict[str, Any]) -> str:
    """Indented JSON with each list of numbers on one line."""
    text = json.dumps(record, indent=1)
    return (
        re.sub(r"\[\s+([-+.\deE,\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report_all",
        description="Measure everything, draw the figures and write the tables.",
    )
    parser.add_argument("--from-json", type=Path, metavar="FILE", help="do not measure")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--cases", help="patterns, as of benchmarks.compare")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", metavar="DIR")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md", metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
