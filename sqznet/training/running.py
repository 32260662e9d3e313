"""What every training does around its task: a work folder, limits, the result's file."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib import metadata
from itertools import count

import torch

from sqznet.errors import SqznetError, path_for_messages, reason_of
from sqznet.files.part_file import write_file
from sqznet.files.paths import stored_text
from sqznet.images.preprocessing import Preprocessing
from sqznet.training import checkpoint
from sqznet.training.library import device_named
from sqznet.training.loop import Fitted, Listener, Task, fit
from sqznet.training.schedule import Limits
from sqznet.training.settings import RunSettings, TrainingProgress
from sqznet.training.store import Store, stored
from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.strict_json import compact

# The share of the time that is left for the result, and seconds of it at least.
_RESERVE, _LEAST_RESERVE = 0.05, 3.0


@contextmanager
def working(settings: RunSettings) -> Iterator[torch.device]:
    """Gives the device to train on; afterwards the work folder goes, unless there is a checkpoint
    to go on from. Raises SqznetError for a device that is not there, and if its memory is full, and
    if there is no run to resume."""
    try:
        if settings.resume:
            checkpoint.check(settings.checkpoint)
        yield device_named(settings.device)
    except torch.cuda.OutOfMemoryError:
        raise SqznetError(
            "the memory of the GPU is not enough for a batch; expected the device 'cpu', or a GPU "
            "that nothing else uses"
        ) from None
    finally:
        if not os.path.exists(settings.checkpoint):  # nothing to go on from, or nothing left to do
            shutil.rmtree(settings.work, ignore_errors=True)


def make_folder(settings: RunSettings) -> None:
    """The work folder. A run that is not resumed begins without a checkpoint."""
    try:
        os.makedirs(settings.work, exist_ok=True)
        if not settings.resume and os.path.exists(settings.checkpoint):
            os.unlink(settings.checkpoint)
            settings.report("begins anew, without the checkpoint of an earlier run")
    except OSError as error:
        raise SqznetError(
            f"{path_for_messages(settings.work)}: cannot be written: {reason_of(error)}"
        ) from None


def decoded(settings: RunSettings, name: str, photos: Sequence[str], pre: Preprocessing) -> Store:
    """The photos that can be read, see `stored`, in a file of this name in the work folder."""
    done = count(1)

    def advance() -> None:
        settings.progress(TrainingProgress("photos", next(done) / len(photos)))

    path = os.path.join(settings.work, f"{name}.pixels")
    return stored(path, photos, pre, settings.report, advance)


def fit_within(
    settings: RunSettings, task: Task, about: Sequence[object], default: int, spent: float
) -> Fitted:
    """Trains within the limits of the settings.

    ``about``: what the run is a function of, besides these. ``default``: the number of epochs
    without a limit. ``spent``: the seconds since the training was asked for.
    """
    epochs, seconds = settings.epochs, None
    if settings.minutes is not None:
        whole = 60 * settings.minutes
        seconds = max(whole - spent - max(_RESERVE * whole, _LEAST_RESERVE), 1.0)
    elif epochs is None:
        epochs = default
    key = compact([*about, settings.seed, epochs, settings.minutes])
    return fit(
        task,
        Limits(epochs, seconds),
        settings.checkpoint,
        sha256(key.encode()).hexdigest(),
        settings.resume,
        _Heard(settings),
    )


class _Heard(Listener):
    """Passes on what a run tells."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings

    def step(self, progress: float, left: float | None) -> None:
        self._settings.progress(TrainingProgress("epochs", progress, left))

    def epoch(self, record: Mapping[str, float]) -> None:
        self._settings.progress(TrainingProgress("epochs", record["progress"], None, record))

    def say(self, line: str) -> None:
        self._settings.report(line)


def write(settings: RunSettings, content: bytes) -> None:
    """Writes the result. Raises SqznetError if that is not possible."""
    try:
        write_file(settings.path, content)
    except OSError as error:
        raise SqznetError(
            f"{path_for_messages(settings.path)}: cannot be written: {reason_of(error)}; the "
            "same command with --resume tries it again"
        ) from None


def finish(settings: RunSettings, fitted: Fitted) -> None:
    """After the result is written: the checkpoint goes, unless the run was interrupted; that is
    raised now."""
    if fitted.interrupt is not None:
        settings.report(
            f"{path_for_messages(settings.path)}: interrupted; it has the best weights so far, "
            f"those after epoch {fitted.best_epoch}, and the run can be resumed"
        )
        raise fitted.interrupt
    with suppress(FileNotFoundError):  # where it could not be written
        os.unlink(settings.checkpoint)


def provenance(
    settings: RunSettings, origin: Checkpoint, sha256: str, device: torch.device, **stated: object
) -> dict[str, object]:
    """What the file says of how it was made. ``origin``: the weights that it began with, and
    ``sha256`` their fingerprint. ``stated``: what trainings of this kind say of their result."""
    return {
        "command": stored_text(settings.command),
        **stated,
        "seed": settings.seed,
        "from": {"file": os.path.basename(origin.path), "sha256": sha256},
        "device": device.type,
        "versions": {
            "python": platform.python_version(),
            "sqznet": metadata.version("sqznet"),
            "torch": str(torch.__version__),
        },
    }
