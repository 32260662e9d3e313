"""Measures the speed of a model on this machine, and its memory.

Times are wall-clock times, so they include the effects of other load: the minimum is the kernels'
own time, the high percentiles are what a user experiences.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import sqznet
from sqznet.batch.photos import classify_files
from sqznet.engine import cpu
from sqznet.errors import SqznetError
from sqznet.images.finding import Found
from sqznet.images.synthetic import jpeg
from sqznet.network.layers import Network
from sqznet.notebook import table
from sqznet.weights.checkpoint import element_count

if TYPE_CHECKING:
    from sqznet.answers import Classifier
    from sqznet.learning.recognizer import Recognizer
    from sqznet.model import Model

Times = TypeVar("Times")

#: Height and width in pixels of the generated photo.
PHOTO = (480, 640)
#: The number of intervals whose rates are reported.
INTERVALS = 10

# Runs of each kind: warm-up runs first, then until there are enough or the time is up.
_WARMUP = 5
_RUNS = 300
_LEAST_RUNS = 5
# The time for the runs of each kind, as a share of the requested seconds.
_SHARE = 0.3


@dataclass(frozen=True)
class Latency:
    """The times of single runs in milliseconds: the minimum and three percentiles."""

    runs: int
    min_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """A percentile is the smallest measured time that this share of runs does not exceed."""
        ordered = sorted(1e3 * value for value in seconds)

        def percentile(percent: int) -> float:
            return ordered[math.ceil(percent / 100 * len(ordered)) - 1]

        return cls(len(ordered), ordered[0], percentile(50), percentile(90), percentile(99))


@dataclass(frozen=True)
class Measurement:
    """The result of `measure`.

    version: of sqznet. cpu, cores (usable by this process), system, python: the machine.
    isa, threads, variant, size (of the network's input: height, width): the model.
    photo: the file that was read, or a description of the generated one.
    forward: one image through the network. file_to_answer: from a path to labels.
    layers_ms: the median time of each layer in a forward pass, in order.
    images_per_second: from files to labels with all threads busy; the mean over `seconds`.
    interval_rates: the same for each interval of `interval_seconds`. They show whether the
        processor throttles or is disturbed.
    weights_bytes: the size of the weights as float32. workspace_bytes: the working memory for one
        image. peak_memory_bytes: the peak resident memory of this process so far, or None if the
        system does not report it.
    """

    version: str
    cpu: str
    cores: int
    system: str
    python: str
    isa: str
    precision: str
    threads: int
    variant: str
    size: tuple[int, int]
    photo: str
    forward: Latency
    file_to_answer: Latency
    layers_ms: dict[str, float]
    seconds: float
    images_per_second: float
    interval_seconds: float
    interval_rates: tuple[float, ...]
    weights_bytes: int
    workspace_bytes: int
    peak_memory_bytes: int | None

    def _repr_html_(self) -> str:
        """As a notebook displays it: the times of runs, then those of the layers."""
        runs = {
            f"network, {self.size[0]} x {self.size[1]}": self.forward,
            "file to answer": self.file_to_answer,
        }
        latencies = [
            (name, *(f"{ms:.2f}" for ms in (t.min_ms, t.p50_ms, t.p90_ms, t.p99_ms)), t.runs)
            for name, t in runs.items()
        ]
        layers = [(name, f"{ms:.3f}") for name, ms in self.layers_ms.items()]
        rate = f"{self.images_per_second:.1f} images per second, over {self.seconds:g} s"
        return (
            table(latencies, ("milliseconds", "min", "p50", "p90", "p99", "runs"))
            + table([("images", rate)])
            + table(layers, ("layer", "median ms"))
        )


def measure(
    model: Model | Recognizer, seconds: float = 10.0, photo: str | os.PathLike[str] | None = None
) -> Measurement:
    """Measures a model on this machine; takes about 1.6 times ``seconds``.

    Of a recognizer, the layers are those of its network; the answers are its own.

    ``seconds``: how long photos are classified continuously for the rates; at least 0.1.
    ``photo``: the file to classify; default: a generated JPEG of 640 x 480 pixels.
    Raises ImageError if the photo cannot be read, and SqznetError for invalid seconds.
    """
    if not (math.isfinite(seconds) and seconds >= 0.1):
        raise SqznetError(f"seconds is {seconds}, expected 0.1 or more")
    network = model if isinstance(model, sqznet.Model) else model.model
    with _file(photo) as path:
        passes, workspace_bytes = _passes(network, path, _SHARE * seconds)
        to_answers = _repeated(lambda: _timed(lambda: model.classify(path)), _SHARE * seconds)
        counts = list(_intervals(model, path, seconds / INTERVALS))
    names = layer_names(network.executor.network)
    height, width = network.preprocessing.size
    return Measurement(
        version=sqznet.__version__,
        cpu=cpu_name(),
        cores=cpu.usable_cores()[0],
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        isa=network.isa,
        precision=network.precision,
        threads=network.threads,
        variant=network.variant,
        size=(height, width),
        photo=os.fsdecode(photo) if photo else f"generated JPEG, {PHOTO[1]} x {PHOTO[0]} pixels",
        forward=Latency.of([sum(times) for times in passes]),
        file_to_answer=Latency.of(to_answers),
        layers_ms={
            name: 1e3 * statistics.median(times)
            for name, times in zip(names, zip(*passes, strict=True), strict=True)
        },
        seconds=seconds,
        images_per_second=sum(n for n, _ in counts) / sum(spent for _, spent in counts),
        interval_seconds=seconds / INTERVALS,
        interval_rates=tuple(n / spent for n, spent in counts),
        weights_bytes=_weights_bytes(network),
        workspace_bytes=workspace_bytes,
        peak_memory_bytes=peak_memory(),
    )


def layer_names(network: Network) -> list[str]:
    """The name of each layer as in the paper: conv1, maxpool1, fire2, ..., fire9, conv10."""
    known = {name: paper for paper, name in network.layer_names.items()}
    names: list[str] = []
    count = 0  # layers so far without pools; a pool has the number of the layer before it
    for layer in network.layers:
        if not layer.tensors(1):
            names.append(f"maxpool{count}")
            continue
        count += 1
        names.append(known.get(layer.name, f"conv{count}"))
    return names


def cpu_name() -> str:
    """The name of the processor or, on small boards, of the board."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            found = {
                key.strip(): text.strip() for key, _, text in (s.partition(":") for s in lines)
            }
    except OSError:
        found = {}
    names = (found.get(key) for key in ("Model", "model name", "Hardware"))
    return next((name for name in names if name), platform.processor() or platform.machine())


def peak_memory() -> int | None:
    """The peak resident memory of this process in bytes, None if the system does not report it."""
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("VmHWM:"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


@contextmanager
def _file(photo: str | os.PathLike[str] | None) -> Iterator[str]:
    """The path of the photo; of a temporary generated one if there is none."""
    if photo is not None:
        yield os.fsdecode(photo)
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="sqznet-") as folder:
        path = os.path.join(folder, "photo.jpg")
        with open(path, "wb") as file:
            file.write(jpeg(*PHOTO))
        yield path


def _repeated(once: Callable[[], Times], seconds: float) -> list[Times]:
    """The results of many calls, after some warm-up calls."""
    for _ in range(_WARMUP):
        once()
    end = perf_counter() + seconds
    found: list[Times] = []
    while len(found) < _LEAST_RUNS or (len(found) < _RUNS and perf_counter() < end):
        found.append(once())
    return found


def _timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _passes(model: Model, path: str, seconds: float) -> tuple[list[list[float]], int]:
    """The seconds of each layer in many forward passes, and the bytes of their workspace."""
    pixels = model.decode(path)
    workspace = model.executor.acquire(1, *model.preprocessing.size)

    def once() -> list[float]:
        # Later layers overwrite the input's memory, so it is filled again each time.
        model.feed(pixels, workspace.image(0))
        seconds = [0.0] * len(model.executor.network.layers)
        now = perf_counter()
        for layer, steps in workspace.by_layer():
            for step in steps:
                step()
            before, now = now, perf_counter()
            seconds[layer] += now - before
        return seconds

    try:
        return _repeated(once, seconds), workspace.nbytes
    finally:
        model.executor.release(workspace)


def _intervals(model: Classifier, path: str, seconds: float) -> Iterator[tuple[int, float]]:
    """Yields the images and seconds of each interval; an interval ends with a result."""
    with closing(classify_files(model, repeat(Found(path)), top=5)) as results:
        next(results)  # the threads are running
        for _ in range(INTERVALS):
            start = now = perf_counter()
            images = 0
            while now - start < seconds:
                next(results)
                images += 1
                now = perf_counter()
            yield images, now - start


def _weights_bytes(model: Model) -> int:
    def size(name: str) -> int:
        if model.precision == "float16":
            return 2
        return 1 if model.precision == "int8" and name.endswith(".weight") else 4

    tensors = model.checkpoint.tensors.items()
    return sum(size(name) * element_count(tensor.shape) for name, tensor in tensors)
