"""The figures: latency by engine, sqznet's layers, and scaling.

The same record gives the same bytes: no dates, no random ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.engines import OURS
from benchmarks.lab.layers import effective_gmacs
from benchmarks.results import CaseResult, EngineResult

LATENCY_CASES = ("1.1-b1-1t", "1.1-b1-2t", "1.0-b1-1t", "1.1-b16-2t")
OURS_COLOR, _RIVAL, SECOND, _DARK, _GUIDE = "#d1495b", "#b8c0c8", "#2e6f95", "#333333", "#8a8f94"
STYLE = {
    "svg.hashsalt": "sqznet",
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GUIDE,
    "axes.axisbelow": True,
    "text.color": _DARK,
    "axes.labelcolor": _DARK,
    "xtick.color": _DARK,
    "ytick.color": _DARK,
}


def library() -> Any:
    """matplotlib.pyplot, drawing SVG; it is only needed for drawing."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("svg")
    return import_module("matplotlib.pyplot")


def draw(
    folder: Path,
    facts: Mapping[str, str],
    results: Sequence[CaseResult],
    layers: dict[str, Any],
    scaling: dict[str, Any],
) -> list[Path]:
    """Writes latency.svg, layers.svg and scaling.svg into `folder`; returns their paths."""
    plt = library()
    machine = f"{facts['cpu']}, fp32, 224 x 224"
    pictures: dict[str, Callable[[], Any]] = {
        "latency": lambda: _latency(plt, machine, results),
        "layers": lambda: _layers(plt, facts["cpu"], layers),
        "scaling": lambda: _scaling(plt, facts["cpu"], scaling),
    }
    paths = []
    for name, picture in pictures.items():
        with plt.rc_context(STYLE):
            figure = picture()
            paths.append(folder / f"{name}.svg")
            figure.savefig(paths[-1], metadata={"Date": None}, facecolor="white")
            plt.close(figure)
    return paths


def _latency(plt: Any, machine: str, results: Sequence[CaseResult]) -> Any:
    by_name = {r.case.name: r for r in results if r.measured}
    shown = [by_name[name] for name in LATENCY_CASES if name in by_name]
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.6), layout="constrained")
    for axis, result in zip(axes.flat, shown, strict=False):
        engines = result.measured
        bars = axis.barh(
            [e.engine for e in engines],
            [e.median for e in engines],
            color=[OURS_COLOR if e.engine == OURS else _RIVAL for e in engines],
        )
        axis.bar_label(bars, [_latency_label(result, e) for e in engines], padding=3)
        axis.invert_yaxis()
        axis.margins(x=0.12)
        axis.tick_params(axis="y", length=0)
        axis.set_xlabel("ms per image")
        title = result.case.title.partition(":")[0]
        axis.set_title(title)
        for label in axis.get_yticklabels():
            if label.get_text() == OURS:
                label.set_fontweight("bold")
                label.set_color(OURS_COLOR)
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    figure.get_layout_engine().set(hspace=0.06, h_pad=0.08)
    figure.suptitle(f"Latency (medians; shorter is better) on {machine}")
    return figure


def _latency_label(result: CaseResult, engine: EngineResult) -> str:
    rival, label = result.best_rival, f"{engine.median:.2f}"
    if engine.engine != OURS or rival is None:
        return label
    return f"{label}  =  {result.ratio:.2f} of {rival.engine}'s"


def _layers(plt: Any, cpu: str, record: dict[str, Any]) -> Any:
    shown = {v: n for v, n in record["networks"].items() if "layers" in n}
    figure, axes = plt.subplots(
        len(shown), 2, figsize=(9, 4.2 * len(shown)), layout="constrained", squeeze=False
    )
    for (left, right), (variant, found) in zip(axes, shown.items(), strict=True):
        layers = found["layers"]
        names = [layer["name"] for layer in layers]
        times = left.barh(names, [layer["median_ms"] for layer in layers], color=OURS_COLOR)
        left.bar_label(times, [f"{layer['median_ms']:.2f}" for layer in layers], padding=3)
        left.set_title(f"SqueezeNet {variant}: {found['median_ms']:.2f} ms")
        left.set_xlabel("ms (median)")
        rates = [effective_gmacs(layer) if layer["macs"] else 0.0 for layer in layers]
        right.barh(names, rates, color=SECOND)
        peak = record["peak_gmacs"]
        right.axvline(peak, color=_DARK, linestyle="--", linewidth=1, zorder=2)
        for y, (rate, layer) in enumerate(zip(rates, layers, strict=True)):
            if rate:
                text = f"{rate:.0f}  ({layer['density']:.0%} non-zero)"
                at = max(rate, peak), y  # beyond the dashed line, which would cross it
                right.annotate(text, at, (4, 0), textcoords="offset points", va="center")
        right.set_title(f"dashed: the core's peak, {peak:.0f} GMAC/s")
        right.set_xlabel(
            "GMAC/s, as if every product were computed;\nbeyond the peak, many are left out"
        )
        for axis, room in ((left, 0.14), (right, 0.66)):
            axis.invert_yaxis()
            axis.margins(x=room)
            axis.tick_params(axis="y", length=0)
    figure.suptitle(f"sqznet layer by layer, one photo, one thread, on {cpu}")
    return figure


def _scaling(plt: Any, cpu: str, record: dict[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    for axis, kind, power in zip(axes, ("pixels", "batch"), (2, 1), strict=True):
        points = record[kind]
        sizes = [point["size"] for point in points]
        for threads, color in zip(points[0]["ms"], (OURS_COLOR, SECOND), strict=False):
            ms = [point["ms"][threads] for point in points]
            label = f"{threads} thread{'s' if threads != '1' else ''}"
            axis.plot(sizes, ms, "o-", color=color, markersize=4, label=label)
        at = len(sizes) // 2
        least = points[at]["ms"]["1"]
        line = [least * (size / sizes[at]) ** power for size in sizes]
        axis.plot(
            sizes,
            line,
            color=_DARK,
            linestyle="--",
            linewidth=1,
            label="proportional to pixels" if power == 2 else "proportional to images",
        )
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        ticks = [size for size in sizes if size & (size - 1) == 0]
        axis.set_xticks(ticks, [str(size) for size in ticks])
        axis.minorticks_off()
        low, high = min(min(p["ms"].values()) for p in points), max(points[-1]["ms"].values())
        marks = [m for e in range(-1, 5) for m in (10**e, 3 * 10**e) if low / 2 <= m <= high * 2]
        axis.set_yticks(marks, [f"{mark:g}" for mark in marks])
        axis.grid(color="#e6e8ea")
        axis.set_ylabel("ms (median)")
        axis.legend(frameon=False)
    axes[0].set_title("Batch 1, by size of the input")
    axes[0].set_xlabel("pixels a side")
    axes[1].set_title("224 x 224, by batch")
    axes[1].set_xlabel("images in the batch")
    figure.suptitle(f"sqznet, SqueezeNet 1.1, on {cpu}")
    return figure
