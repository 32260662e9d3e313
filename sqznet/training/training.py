"""The public function: trains a classifier of the user's own classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqznet.errors import ImageError
from sqznet.training.library import torch_library
from sqznet.training.settings import Settings, Trained, TrainingProgress, silent, warn

if TYPE_CHECKING:
    from sqznet.training.photos import Classes, Folder, Photos
    from sqznet.training.settings import Preset
    from sqznet.weights.labels import Labels
    from sqznet.weights.locate import WeightsLike


def train(
    folder: Folder | Classes | Photos,
    output: Folder,
    *,
    val: Folder | Classes | Photos | float = 0.2,
    from_: WeightsLike = None,
    epochs: int | None = None,
    minutes: float | None = None,
    device: str = "auto",
    resume: bool = False,
    seed: int = 0,
    teacher: Folder | None = None,
    teacher_preprocessing: Preset | None = None,
    labels: Labels | None = None,
    report_folder: Folder | None = None,
    report: Callable[[str | ImageError], None] = warn,
    progress: Callable[[TrainingProgress], None] = silent,
) -> Trained:
    """Trains a classifier, all layers of it, on photos of your own classes.

    ``folder``: has a sub-folder of photos for each class, named by its label; or a mapping from
    labels to paths of photos. Two classes are the least. ``output``: the .safetensors file to
    write, which `sqznet.load` and all commands read; an old one is replaced when the new one is
    complete. It has the labels, the preprocessing, scales for the precision int8, and, in the
    metadata's "training", how it was made.

    ``val``: the share of each class's photos that is kept apart to validate with, or a folder (or a
    mapping) of others. The weights with the best accuracy on them are kept.
    ``from_``: the weights to begin with, as for `sqznet.load`; default: the bundled SqueezeNet 1.1.
    If its classes are the same ones in the same order, its head is kept; else the new head is
    fitted first, then all layers are trained together, the lower ones at smaller rates.
    ``epochs``: how often all photos are seen; default: by the number of photos, 8 to 40.
    ``minutes``: the time that all may take; the learning rate falls to its end until then. With
    both, whichever is first ends it, and so do epochs that bring nothing better.
    ``device``: "cpu", "cuda" (a GPU), or "auto", a GPU if torch finds one.
    ``resume``: goes on with a stopped run of the same photos and settings, to the same result as a
    run that was never stopped (on the CPU and without ``minutes``). Until it is complete, a run
    keeps its checkpoint and the decoded photos in the folder ``output`` + ".training".
    ``seed``: of all that is drawn at random: 0 or more. On the CPU, the same seed gives the same
    file, with the same version of torch and number of threads.
    ``teacher``: a network that says what the photos show, so that they need no classes: then
    ``folder`` and ``val`` are folders of photos, at any depth, or paths. It is a file of any
    SqueezeNet, or of any other classifier of photos in ONNX, which needs onnxruntime.
    ``teacher_preprocessing``: how it wants photos, as in `sqznet.load`; default: as a SqueezeNet's
    file says, and torchvision's otherwise. ``labels``: the names of its classes, as in
    `sqznet.load`, where its file has none.
    ``report_folder``: where the report is written, a page with pictures; default: the name of
    ``output`` with "_report" in the place of its suffix.
    ``report``: called with a line of text or an ImageError for everything that is left out, such as
    photos that cannot be read; default: `warnings.warn`. ``progress``: called as it goes on.

    An interrupt (Ctrl-C) while epochs are trained leaves the best weights so far in ``output``, and
    is then raised.

    Needs torch (``pip install torch``). Raises SqznetError, also for a full disk, and
    WeightsError as `sqznet.load` does.
    """
    torch_library()
    settings = Settings(
        folder=folder,
        output=output,
        val=val,
        from_=from_,
        epochs=epochs,
        minutes=minutes,
        device=device,
        resume=resume,
        seed=seed,
        teacher=teacher,
        teacher_preprocessing=teacher_preprocessing,
        labels=labels,
        report_folder=report_folder,
        report=report,
        progress=progress,
    )
    from sqznet.training import session

    return session.run(settings)
