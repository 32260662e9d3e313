"""Compares the bundled detector with the bundled classifier: one thread, in the same run.

python -m benchmarks.detection                  print the table
python -m benchmarks.detection --isa avx2       with other kernels
python -m benchmarks.detection --write          and put it into docs/detection.md

Each round, in random order, runs both networks on one photo, makes boxes of the detector's outputs,
takes a JPEG file to labels and to boxes, and a frame of 640 x 480 pixels in NV12, as from a camera,
to boxes. If the file allows it, the detector runs in 8-bit integers, too. If onnxruntime or ncnn is
installed, it runs the detector's network as well: the first from the file that `sqznet.convert`
writes, the second from one of the same layers. The figures are of use on an idle machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import statistics
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

import sqznet
from benchmarks import machine, report
from benchmarks.detector_plan import plan_of
from benchmarks.material import ROOT
from benchmarks.network import INPUT, Array
from benchmarks.paired import ratio
from benchmarks.report_all import fill_page
from sqznet.calibration.quantizing import float_tensors
from sqznet.engine.pipeline import Pipeline
from sqznet.engine.program import Workspace

PAGE = ROOT / "docs" / "detection.md"
BEGIN, END = "<!-- speed:begin -->", "<!-- speed:end -->"
PHOTO = ROOT / "examples" / "chelsea.jpg"

#: The most times that the classifier's network may take, the largest share of the boxes, and how
#: many times as long rivals take at least.
MOST, BOXES_SHARE, RIVAL_TIMES = 1.45, 0.03, 2

CLASSIFIER, DETECTOR, BOXES = "classifier's network", "detector's network", "its boxes"
LABELS_OF, BOXES_OF = "JPEG file to labels", "JPEG file to boxes"
BOXES_OF_FRAME = "camera's frame to boxes"
INT8 = "detector's network, int8"
RIVALS = {name: f"detector's network, {name}" for name in ("onnxruntime", "ncnn")}

Round = dict[str, float]  # seconds by what was timed


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--isa", help="the instruction set; default: the best")
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument("--write", action="store_true", help=f"fill the block of {PAGE.name}")
    options = parser.parse_args(arguments)
    model = sqznet.load(threads=1, isa=options.isa, precision="float32")
    detector = sqznet.load_detector(threads=1, isa=options.isa, precision="float32")
    meter = machine.OthersMeter()
    rounds = measure(model, detector, str(options.photo), max(1, options.rounds))
    lines, note = rows(rounds), said(rounds, model.isa, meter.cores())
    print(report.table(lines, right=(1, 2)))
    print(f"\n{note}")
    if options.write:
        fill_page(PAGE, block(lines, note), BEGIN, END)
    return 0


def measure(model: sqznet.Model, detector: sqznet.Detector, photo: str, rounds: int) -> list[Round]:
    """What each round took; the first, which warms up, is left out."""
    feed_classifier, classify, _ = network(model, photo)
    feed_detector, detect, outputs = network(detector, photo)
    size, ask = {0: detector.decode(photo).whole}, detector.ask()
    frame = camera_frame(photo)
    works: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        CLASSIFIER: (feed_classifier, classify),
        DETECTOR: (feed_detector, detect),
        BOXES: (
            in_a_row(feed_detector, detect),
            lambda: detector.boxes.found(outputs, size, ask),
        ),
        LABELS_OF: (nothing, lambda: model.classify(photo)),
        BOXES_OF: (nothing, lambda: detector.detect(photo)),
        BOXES_OF_FRAME: (nothing, lambda: detector.detect(frame)),
    }
    if detector.checkpoint.integers_text is not None:
        integers = sqznet.load_detector(**detector.asked, precision="int8")
        works[INT8] = network(integers, photo)[:2]
    for name, session in (("onnxruntime", onnxruntime_session), ("ncnn", ncnn_session)):
        if importlib.util.find_spec(name):
            works[RIVALS[name]] = nothing, session(detector, photo)
    order = random.Random(0)
    found: list[Round] = []
    for _ in range(rounds + 1):
        taken: Round = {}
        for name in order.sample(list(works), len(works)):
            prepare, work = works[name]
            prepare()
            began = time.perf_counter()
            work()
            taken[name] = time.perf_counter() - began
        found.append({name: taken[name] for name in works})
    return found[1:]


def network(
    pipeline: Pipeline, photo: str
) -> tuple[Callable[[], object], Callable[[], object], Workspace]:
    """What fills the input with the photo (again for each run, since its memory then holds other
    maps), what runs the network, and the workspace."""
    pixels = pipeline.decode(photo)
    size = pipeline.preprocessing.size
    workspace = pipeline.executor.acquire(1, *size, largest_input=pipeline.largest_input)
    return partial(pipeline.feed, pixels, workspace.image(0)), workspace.run, workspace


def camera_frame(photo: str) -> sqznet.Frame:
    """The photo as a camera would give it."""
    from PIL import Image

    width, height = 640, 480
    with Image.open(photo) as image:
        luma, *chroma = image.convert("YCbCr").resize((width, height)).split()
    halves = [np.asarray(plane.resize((width // 2, height // 2))) for plane in chroma]
    content = np.concatenate([np.asarray(luma).ravel(), np.stack(halves, axis=-1).ravel()])
    return sqznet.Frame.wrap(content, "nv12", height=height, width=width, full_range=True)


def onnxruntime_session(detector: sqznet.Detector, photo: str) -> Callable[[], object]:
    """Runs the same network in onnxruntime, on one thread."""
    from benchmarks.engines.onnxruntime import session

    with tempfile.TemporaryDirectory() as folder:
        path = sqznet.convert(detector.checkpoint.path, Path(folder, "detector.onnx")).path
        ready = session(path, threads=1)
    return partial(ready.run, None, {"input": detector.preprocess(photo)})


def ncnn_session(detector: sqznet.Detector, photo: str) -> Callable[[], list[Array]]:
    """The same for ncnn; it gives the outputs of the levels, (C, H, W)."""
    import ncnn

    from benchmarks.engines.ncnn import net
    from benchmarks.model_files import ncnn_file

    network, weights = detector.executor.network, float_tensors(detector.checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(network, weights)
        ready = net(str(ncnn_file.write(plan, weights, Path(folder, "detector.param"))), threads=1)
    (image,) = detector.preprocess(photo)
    fed = ncnn.Mat(image)

    def run() -> list[Array]:
        extractor = ready.create_extractor()
        extractor.input(INPUT, fed)
        return [np.array(extractor.extract(name)[1]) for name in network.outputs]

    return run


def in_a_row(feed: Callable[[], object], run: Callable[[], object]) -> Callable[[], object]:
    def both() -> None:
        feed()
        run()

    return both


def nothing() -> None:
    pass


def rows(rounds: Sequence[Round]) -> list[tuple[str, ...]]:
    """A heading, then a line for each thing that was timed."""
    table: list[tuple[str, ...]] = [("one thread", "minimum ms", "median ms")]
    for name in rounds[0]:
        taken = [1e3 * each[name] for each in rounds]
        table.append((name, f"{min(taken):.2f}", f"{statistics.median(taken):.2f}"))
    return table


def said(rounds: Sequence[Round], isa: str, others: float | None) -> str:
    """The ratios that are promised."""
    times = ratio([[(each[CLASSIFIER], each[DETECTOR]) for each in rounds]])
    share = ratio([[(each[DETECTOR], each[BOXES]) for each in rounds]])
    least = min(each[DETECTOR] for each in rounds) / min(each[CLASSIFIER] for each in rounds)
    others_time = "".join(
        f"; {name} takes {ratio([[(each[DETECTOR], each[key]) for each in rounds]]).median:.2f} "
        f"times as long, goal {RIVAL_TIMES}"
        for name, key in RIVALS.items()
        if key in rounds[0]
    )
    if INT8 in rounds[0]:
        gain = ratio([[(each[DETECTOR], each[INT8]) for each in rounds]])
        others_time += f"; int8 takes {gain.median:.2f} of float32's time"
    busy = "" if others is None else f"; other programs kept {others:.1f} cores busy"
    return (
        f"The detector's network takes {times.median:.2f} times the classifier's "
        f"({times.low:.2f} to {times.high:.2f}; {least:.2f} by the fastest runs), goal {MOST}, "
        f"and its boxes {share.median:.1%} of that, goal {BOXES_SHARE:.0%}{others_time}: "
        f"{len(rounds)} rounds, {isa}{busy}"
    )


def block(lines: Sequence[tuple[str, ...]], note: str) -> str:
    """The table, the note and the machine, in Markdown."""
    head, *body = [f"| {' | '.join(row)} |" for row in lines]
    text = f"{note}, on {machine.describe([])['cpu']}. Printed by `python -m benchmarks.detection`."
    return "\n".join([head, "|---|--:|--:|", *body, "", *textwrap.wrap(text, 100)])


if __name__ == "__main__":
    raise SystemExit(main())
