"""What small files cost: python -m benchmarks.compression [--write]

SqueezeNet 1.1 (bundled) and 1.0 (from the shared folder) are compressed to some sizes with every
second photo of the shared folder, and judged by the others. Agree: the share of photos with the
same best class as float32's. KL: the mean Kullback-Leibler divergence of the softmax from
float32's, in nats, with its standard error. Beside them: 8-bit integers, calibrated with the same
photos; the same integers as one of ours, compressed by zlib and by LZMA; and the file of the paper
on Deep Compression (arXiv:1510.00149) beside the authors' float32 file. `--write` fills the block
of docs/compression.md and draws docs/compression.svg.
"""

from __future__ import annotations

import argparse
import lzma
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import sqznet
from benchmarks import machine, plots, report
from benchmarks.material import ROOT, SHARED, MissingError
from benchmarks.network import Array
from benchmarks.quantized import photos_and_classes, top
from benchmarks.report_all import fill_page
from sqznet.calibration import quantizing
from sqznet.compression.compressing import Search
from sqznet.compression.encoding import Coded
from sqznet.weights.checkpoint import element_count

# Bytes; 0.47 MiB is the paper's headline.
SIZES = {"1.1": (420_000, 492_831, 650_000), "1.0": (470_000,)}

OURS = "sqznet compress"
GENERAL = {
    "LZMA": partial(lzma.compress, preset=9 | lzma.PRESET_EXTREME),
    "zlib": partial(zlib.compress, level=9),
}
PAGE, PICTURE = ROOT / "docs" / "compression.md", ROOT / "docs" / "compression.svg"
BEGIN, END = "<!-- accuracy:begin -->", "<!-- accuracy:end -->"
_LEAST = 1e-3  # the lower edge of the picture
_COLUMNS = ("network", "file", "bytes", "top-1 / top-5, %", "agree, %", "KL")


class Point(NamedTuple):
    """A file of a network: what it is, bytes, accuracy and divergence."""

    network: str
    name: str
    nbytes: int
    accuracy: str
    agree: float
    divergence: float
    error: float

    def row(self) -> tuple[str, ...]:
        return (
            self.network,
            self.name,
            f"{self.nbytes:,}",
            self.accuracy,
            f"{self.agree:.1f}",
            f"{self.divergence:.4f} +- {self.error:.4f}",
        )


class Judge:
    """Compares networks with one, on photos that no calibration saw."""

    def __init__(self, network: str, model: sqznet.Model, photos: Any, classes: Array) -> None:
        self._network, self._classes = network, classes
        self._inputs = [model.preprocess(photo) for photo in photos]
        self._expected = self._logits(model)

    def point(self, name: str, nbytes: int, model: sqznet.Model) -> Point:
        found = self._logits(model)
        each = quantizing.divergences(self._expected, found)
        accuracy = f"{top(found, self._classes, 1):.1f} / {top(found, self._classes, 5):.1f}"
        agree = 100 * quantizing.compare(self._expected, found).agreement
        error = float(each.std() / len(each) ** 0.5)
        return Point(self._network, name, nbytes, accuracy, agree, float(each.mean()), error)

    def _logits(self, model: sqznet.Model) -> Array:
        return np.concatenate([model.logits(x) for x in self._inputs])


def general(layers: Sequence[Coded], compressor: Callable[[bytes], bytes]) -> int:
    """The bytes of the integers of these layers by a compressor for any data, one byte each where
    they fit, with the same steps and biases beside them."""
    sides = sum(layer.rows.size + layer.columns.size + 2 * layer.bias.size for layer in layers)
    fits = all(np.abs(layer.integers).max() < 128 for layer in layers)
    kind = np.int8 if fits else np.int16
    integers = b"".join(layer.integers.astype(kind).tobytes() for layer in layers)
    return sides + len(compressor(integers))


def measure(shared: Path, folder: Path) -> Iterator[Point]:
    """All points; files are written to `folder`. Raises MissingError without the photos."""
    photos, classes = photos_and_classes(shared)
    used, apart = photos[::2], photos[1::2]
    sources = {"1.1": None, "1.0": shared / "weights" / "squeezenet1_0.caffemodel"}
    for network, source in sources.items():
        model = sqznet.load(source, precision="float32")
        if model.preprocessing.fit != "squash":
            model = sqznet.load(source, precision="float32", preprocessing="squash-bgr")
        judge = Judge(network, model, apart, classes[1::2])
        size = sum(4 * element_count(t.shape) for t in model.checkpoint.tensors.values())
        yield judge.point("float32", size, model)
        search = Search(model, used, apart)
        for size in SIZES[network]:
            made = search.found(size=size)
            path = folder / f"{network}-{size}.sqz"
            made.save(path)
            yield judge.point(OURS, len(made.content), sqznet.load(path))
        last = sqznet.load(path)
        for name, compressor in GENERAL.items():
            yield judge.point(f"its integers by {name}", general(search.layers, compressor), last)
        path = folder / f"{network}-int8.safetensors"
        model.quantize(used).save(path)
        loaded = sqznet.load(path, precision="int8")
        yield judge.point("sqznet quantize (int8)", path.stat().st_size, loaded)
    deep = shared / "weights" / "squeezenet1_0.deep-compression.net"
    loaded = sqznet.load(deep, conv10_padding=model.wiring.conv10_padding)
    yield judge.point("Deep Compression", deep.stat().st_size, loaded)


def block(points: Sequence[Point]) -> str:
    """The table in Markdown, with the picture."""
    rows = [_COLUMNS, ("---", "---", *["--:"] * 4), *(point.row() for point in points)]
    table = [f"| {' | '.join(row)} |" for row in rows]
    picture = f"![bytes and divergence from float32 of each file]({PICTURE.name})"
    return "\n".join([*table, "", picture])


def draw(points: Sequence[Point], path: Path) -> None:
    """Bytes against divergence; a file that is further left and lower is better."""
    plt = plots.library()
    with plt.rc_context(plots.STYLE):
        figure, axis = plt.subplots(figsize=(8, 4.6), layout="constrained")
        for network, color in zip(SIZES, (plots.OURS_COLOR, plots.SECOND), strict=True):
            own = [point for point in points if point.network == network]
            ours = [point for point in own if point.name == OURS]
            x, y = [p.nbytes / 1e6 for p in ours], [p.divergence for p in ours]
            label = f"SqueezeNet {network}, sqznet compress"
            axis.errorbar(x, y, [p.error for p in ours], fmt="o-", color=color, label=label)
            for point in own:
                if point.name not in (OURS, "float32"):
                    # What has no divergence at all stands at the lower edge.
                    at = point.nbytes / 1e6, max(point.divergence, _LEAST)
                    axis.plot(*at, "s", color=color, markerfacecolor="white", clip_on=False)
                    name = point.name.removeprefix("its integers ")
                    above = {"textcoords": "offset points", "ha": "center", "fontsize": 8}
                    axis.annotate(name, at, (0, 7), **above)
        axis.set_yscale("log")
        axis.set_ylim(bottom=_LEAST)
        axis.set_xlabel("MB (a million bytes)")
        axis.set_ylabel("KL divergence from float32, nats")
        axis.grid(color="#e6e8ea")
        axis.margins(x=0.12)
        axis.legend(frameon=False)
        figure.suptitle(
            "Size and accuracy on photos that no calibration saw (left and low is better)"
        )
        figure.savefig(path, metadata={"Date": None}, facecolor="white")
        plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns exit code 0, or 1 if there is nothing to judge by."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help=f"fill the block of {PAGE.name}, too")
    options = parser.parse_args(arguments)
    points = []
    print(report.machine(machine.describe(("sqznet",))), end="\n\n")
    try:
        with tempfile.TemporaryDirectory() as folder:
            for point in measure(SHARED, Path(folder)):
                points.append(point)
                print(*point.row(), sep="  ", file=sys.stderr, flush=True)
    except MissingError as error:
        print(error)
        return 1
    print(report.table([_COLUMNS, *(point.row() for point in points)], right=range(2, 6)))
    if options.write:
        draw(points, PICTURE)
        fill_page(PAGE, block(points), BEGIN, END)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
