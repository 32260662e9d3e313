#!/usr/bin/env python3
"""Draws docs/architecture.svg: the packages, their imports, and the ways through them.

python tools/draw_architecture.py [--check]

The names, the line about each package and the arrows are read from the sources. What stands here is
the layout, and the steps of the three ways. With --check nothing is written: it fails if the
picture is not what the sources give now.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from import_graph import PACKAGE, Graph, by_unit, import_graph
from svg import Box, Picture, wrapped

ROOT = PACKAGE.parent
TARGET = ROOT / "docs" / "architecture.svg"
WIDTH = 900
LEFT, LEFT_WIDTH = 20, 196  # the column of the package's own files
# Small, and imported from everywhere; and what only PyInstaller imports.
NOT_DRAWN = {"boxes", "methods", "notebook", "errors", "forks", "_pyinstaller"}

# The packages, from top to bottom: the left and right ends of their boxes, row by row. One that is
# indented leaves a lane to arrows that pass it.
ROWS: Sequence[dict[str, tuple[int, int]]] = (
    {"cli": (262, 880)},
    {"serving": (290, 780)},
    {"ray": (290, 850)},
    {"diagnostics": (262, 880)},
    {"watching": (262, 880)},
    {"training": (330, 880)},
    {"compression": (330, 760)},
    {"learning": (370, 800)},
    {"detection": (290, 850)},
    {"calibration": (290, 700)},
    {"insight": (318, 846)},
    {"batch": (346, 880)},
    {"engine": (262, 700)},
    {"weights": (290, 700)},
    {"quantization": (318, 502)},
    {"network": (318, 502), "images": (518, 724), "files": (772, 880)},
    {"_kernels": (262, 420), "_pixels": (440, 600)},
    {"core": (262, 510), "include": (538, 650), "kernels": (678, 880)},
)
ROW_GAP = 24
# More of it: for the files; for an arrow to the left; for the ground to begin.
ROOM_BELOW = {"learning": 22, "batch": 22, "files": 16}

# The package's own files, from top to bottom: how far the middle of the box is below the end of the
# row that is named.
FILES = {
    "__main__": ("cli", -66),
    "__init__": ("diagnostics", 12),
    "api": ("watching", -4),
    "loading": ("learning", -18),
    "model": ("learning", 62),
    "answers": ("engine", -50),
    "errors": ("weights", 12),
}
COMPILED = {
    "_kernels": "pybind11: layers, threads",
    "_pixels": "Cython: pixels of Pillow, NumPy, cameras",
}


class Step(NamedTuple):
    box: str
    file: str
    text: str


class Way(NamedTuple):
    name: str
    title: str
    steps: Sequence[Step]


WAYS = (
    Way(
        "photo",
        "The way of a photo",
        (
            Step("api", "sqznet/api.py", "classify(photo)"),
            Step("engine", "sqznet/engine/classification.py", "leads it through these steps"),
            Step("images", "sqznet/images/decoding.py", "decode, turn upright"),
            Step("core", "csrc/core/resize.cpp", "resize, normalize: one pass"),
            Step("engine", "sqznet/engine/executor.py", "run the steps of the plan"),
            Step("kernels", "csrc/kernels/f32/conv.cpp", "the kernels of this processor"),
            Step("answers", "sqznet/answers.py", "the top predictions"),
        ),
    ),
    Way(
        "weights",
        "The way of a weights file",
        (
            Step("api", "sqznet/api.py", "load(source)"),
            Step("weights", "sqznet/weights/locate.py", "find or fetch the file"),
            Step("weights", "sqznet/weights/safetensors.py", "a Checkpoint from any format"),
            Step("network", "sqznet/network/variants.py", "which SqueezeNet: trunk and heads"),
            Step("engine", "sqznet/engine/float_layers.py", "make the layers, once"),
            Step("core", "csrc/core/pack.cpp", "pack weights for the kernels"),
            Step("engine", "sqznet/engine/program.py", "plan for each input size"),
        ),
    ),
    Way(
        "frame",
        "The way of a frame",
        (
            Step("watching", "sqznet/watching/sources.py", "open a camera, video, folder"),
            Step("watching", "sqznet/watching/video.py", "read the frames"),
            Step("watching", "sqznet/watching/newest.py", "live: keep the newest frame"),
            Step("watching", "sqznet/watching/loop.py", "classify each frame"),
            Step("engine", "sqznet/engine/classification.py", "as a photo, from step 2"),
            Step("watching", "sqznet/watching/smoothing.py", "average over time"),
            Step("watching", "sqznet/watching/loop.py", "a Sighting for each frame"),
        ),
    ),
)

# --- What the sources say --------------------------------------------------------------------


def arrows() -> Graph:
    """What imports or includes what, without what also follows along a longer way."""
    graph = {
        (name.partition(".")[2] or "__init__"): {o.partition(".")[2] or "__init__" for o in others}
        for name, others in by_unit(import_graph(), "sqznet").items()
    }
    graph = {name: graph[name] - NOT_DRAWN for name in graph.keys() - NOT_DRAWN}
    graph |= {name: set() for name in ("core", "include", "kernels")}
    for path in (ROOT / "csrc").rglob("*.*"):
        folder = path.relative_to(ROOT / "csrc").parts[0]
        if folder == "bindings":
            folder = "_pixels" if path.suffix in (".pyx", ".pxi") else "_kernels"
        included = re.findall(r'(?:include|extern from) "(\w+)/', path.read_text(encoding="utf-8"))
        found = {"include" if name == "sqz" else name for name in included}
        graph[folder] |= found & {"core", "include", "kernels"} - {folder}

    def reached(name: str) -> set[str]:
        return graph[name].union(*(reached(other) for other in graph[name]))

    return {
        name: {o for o in others if not any(o in reached(via) for via in others - {o})}
        for name, others in graph.items()
    }


def first_line(name: str) -> str:
    """The first sentence of the docstring."""
    path = PACKAGE / f"{name}.py"
    path = path if path.is_file() else PACKAGE / name / "__init__.py"
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.splitlines()[0].replace("`", "")


def parts(folder: Path) -> str:
    """The modules of a folder, and the folders in it."""
    modules = {p.stem for p in folder.glob("*.*") if p.suffix in (".py", ".cpp", ".h", ".def")}
    folders = {f"{p.name}/" for p in folder.iterdir() if any(p.glob("*.*")) and p.name[0] != "_"}
    return "  ".join([*sorted(modules - {"__init__"}), *sorted(folders)])


# --- Drawing ---------------------------------------------------------------------------------


class Text(NamedTuple):
    line: str
    size: float
    kind: str


def content(name: str, width: int) -> tuple[str, list[Text]]:
    """The title of a box, and the lines in it."""
    if name in COMPILED:
        said, names = COMPILED[name], ""
    elif name in ("core", "include", "kernels"):
        said, names = "", parts(ROOT / "csrc" / name / ("sqz" if name == "include" else ""))
    elif (PACKAGE / name).is_dir():
        said, names = first_line(name), parts(PACKAGE / name)
    else:
        said, names = first_line(name), ""
    lines = [Text(line, 11.5, "text") for line in wrapped(said, width, 11.5)]
    lines += [Text(line, 10.5, "mono quiet") for line in wrapped(names, width, 10.5, mono=True)]
    title = f"{name}.py" if name in FILES else name
    if name in ("core", "kernels", "include"):
        title = "include/sqz" if name == "include" else name
    return title, lines


def badges(name: str) -> list[tuple[str, str]]:
    """The steps of each way in a box, as (text, way); "2-4" for steps that follow each other."""
    found = []
    for way in WAYS:
        numbers = [n for n, step in enumerate(way.steps, 1) if step.box == name]
        starts = [n for n in numbers if n - 1 not in numbers]
        ends = [n for n in numbers if n + 1 not in numbers]
        for start, end in zip(starts, ends, strict=True):
            found.append((f"{start}" if start == end else f"{start}-{end}", way.name))
    return found


TITLE_WIDTH = 104  # beside the lines of a wide box
PADDING = 11
WIDE = 400  # from here on a box has its title beside its lines


def height_of(name: str, width: int) -> int:
    wide = width > WIDE
    _, lines = content(name, width - 2 * PADDING - (TITLE_WIDTH if wide else 0))
    return 14 + 15 * len(lines) + (0 if wide else 18) if lines else 36


def draw_box(picture: Picture, name: str, box: Box, kind: str) -> None:
    wide = box.width > WIDE
    picture.box(box, kind)
    title, lines = content(name, int(box.width) - 2 * PADDING - (TITLE_WIDTH if wide else 0))
    x, y = box.x + PADDING, box.y + 20
    picture.text(x, y, title, 13.5, "text bold")
    pills = badges(name)
    left = x if wide else box.right - PADDING - sum(20 + 7 * (len(t) - 1) for t, _ in pills)
    for text, way in pills:
        left = picture.badge(left, y + 18 if wide else y - 5, text, way) + 3
    for n, line in enumerate(lines):
        at = (x + TITLE_WIDTH, y) if wide else (x, y + 18)
        picture.text(at[0], at[1] + 15 * n, line.line, line.size, line.kind)


def layout() -> dict[str, Box]:
    boxes: dict[str, Box] = {}
    y = 96.0
    for row in ROWS:
        heights = {name: height_of(name, right - left) for name, (left, right) in row.items()}
        for name, (left, right) in row.items():
            boxes[name] = Box(left, y, right - left, max(heights.values()))
        y += max(heights.values()) + ROW_GAP + sum(ROOM_BELOW.get(name, 0) for name in row)
    for name, (above, offset) in FILES.items():
        height = height_of(name, LEFT_WIDTH)
        middle = boxes[above].bottom + offset
        boxes[name] = Box(LEFT, middle - height / 2, LEFT_WIDTH, height)
    return boxes


class Router:
    """Finds a way for each arrow that crosses no box and meets no other arrow."""

    def __init__(self, boxes: dict[str, Box]) -> None:
        self._boxes = boxes
        self._taken: list[tuple[float, float, float]] = []  # x, top, bottom of vertical arrows

    def path(self, source: str, target: str) -> str:
        start, end = self._boxes[source], self._boxes[target]
        if end.y >= start.bottom and (x := self._free(start, end)) is not None:
            self._taken.append((x, start.bottom, end.y))
            return f"M{x:g} {start.bottom:g}V{end.y:g}"
        if start.y == end.y:  # beside each other
            right = start.x < end.x
            x0, x1 = (start.right, end.x) if right else (start.x, end.right)
            return f"M{x0:g} {start.middle:g}H{x1:g}"
        if end.middle > start.middle:
            x0, x1 = (start.right, end.x) if start.x < end.x else (start.x, end.right)
            if (x1 - x0) * (1 if start.x < end.x else -1) > 0:
                y0, y1, turn = start.middle + 5, end.middle - 5, (x0 + x1) / 2
                return f"M{x0:g} {y0:g}C{turn:g} {y0:g} {turn:g} {y1:g} {x1:g} {y1:g}"
        raise ValueError(f"no way for an arrow from {source} to {target}: change the layout")

    def _free(self, start: Box, end: Box) -> float | None:
        """Where a vertical arrow passes, as near to the middle as can be."""
        low, high = max(start.x, end.x) + 14, min(start.right, end.right) - 14
        middle = (low + high) / 2
        for x in sorted(range(int(low), int(high) + 1, 2), key=lambda x: abs(x - middle)):
            crossed = any(
                box.y < end.y and box.bottom > start.bottom and box.x - 8 < x < box.right + 8
                for box in self._boxes.values()
                if box not in (start, end)
            )
            met = any(
                abs(x - other) < 12 and top < end.y and bottom > start.bottom
                for other, top, bottom in self._taken
            )
            if not crossed and not met:
                return x
        return None


def draw_way(picture: Picture, way: Way, y: float) -> float:
    """One row of steps under the map; returns its lower end."""
    picture.text(LEFT, y, way.title, 13.5, "text bold")
    width, gap = 118, 5.6
    for n, step in enumerate(way.steps):
        if not (ROOT / step.file).exists():
            raise ValueError(f"step {n + 1} of the way of a {way.name}: there is no {step.file}")
        box = Box(LEFT + n * (width + gap), y + 10, width, 66)
        picture.box(box, "package")
        folder, _, file = re.sub("^(sqznet|csrc)/", "", step.file).rpartition("/")
        picture.badge(box.x + 7, box.y + 14, str(n + 1), way.name)
        picture.text(box.x + 29, box.y + 18, f"{folder or 'sqznet'}/", 10.5, "mono quiet")
        picture.text(box.x + 8, box.y + 34, file, 10.5, "mono text")
        for i, line in enumerate(wrapped(step.text, width - 14, 10.5)):
            picture.text(box.x + 8, box.y + 47 + 12 * i, line, 10.5)
    return y + 76


def draw() -> str:
    picture, boxes, graph = Picture(), layout(), arrows()
    *others, last = sorted(NOT_DRAWN)
    hidden = f"{', '.join(others)} and {last}"
    picture.text(LEFT, 32, "Imports point down", 17, "text bold")
    notes = (
        "An arrow: the first box imports from the second (in csrc: includes). Left out: what also "
        "follows",
        f"along a longer way, and arrows of {hidden}. Numbers: the steps of the three ways below.",
    )
    for n, line in enumerate(notes):
        picture.text(LEFT, 51 + 16 * n, line, 11.5, "quiet")
    top = boxes["_kernels"].y - 20
    bottom = boxes["core"].bottom + 14
    ground = Box(LEFT - 8, top, WIDTH - 2 * LEFT + 16, bottom - top)
    picture.box(ground, "ground", 10)
    picture.text(LEFT + PADDING, top + 40, "csrc", 13.5, "text bold")
    said = "C++ and Cython. Kernels are compiled once for each instruction set."
    for n, line in enumerate(wrapped(said, LEFT_WIDTH, 11.5)):
        picture.text(LEFT + PADDING, top + 58 + 15 * n, line, 11.5)
    for name, box in boxes.items():
        kind = "compiled" if box.y > top else "file" if name in FILES else "package"
        draw_box(picture, name, box, kind)
    router = Router(boxes)
    for source in sorted(graph, key=lambda name: (boxes[name].y, name)):
        for target in sorted(graph[source]):
            picture.arrow(router.path(source, target))
    y = bottom + 34
    for way in WAYS:
        y = draw_way(picture, way, y) + 28
    return picture.svg("The architecture of sqznet", WIDTH, y - 10)


def main() -> int:
    drawn = draw()
    if sys.argv[1:] == ["--check"]:
        if TARGET.read_text(encoding="utf-8") != drawn:
            print(f"{TARGET} is out of date: run tools/draw_architecture.py", file=sys.stderr)
            return 1
    else:
        TARGET.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
