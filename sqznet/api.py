"""The public interface: ``classify`` and ``load``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

from sqznet import weights
from sqznet.answers import Prediction
from sqznet.errors import ImageError, SqznetError
from sqznet.forks import Once
from sqznet.images import decoding
from sqznet.images.preprocessing import Preprocessing
from sqznet.loading import load_model
from sqznet.model import Model
from sqznet.weights.labels import Labels

if TYPE_CHECKING:
    from sqznet.batch.photos import FileResult
    from sqznet.insight.evaluation import Evaluation
    from sqznet.weights.identity import Identity
    from sqznet.weights.locate import WeightsLike


@overload
def classify(  # type: ignore[overload-overlap]
    images: decoding.ImageLike,
    top: int = 5,
    fast_decode: bool = False,
    *,
    channels: str = "rgb",
    allow_urls: bool = False,
    coarse: bool = False,
) -> list[Prediction]: ...


@overload
def classify(
    images: Iterable[Any],
    top: int = 5,
    fast_decode: bool = False,
    *,
    channels: str = "rgb",
    allow_urls: bool = False,
    coarse: bool = False,
) -> list[list[Prediction]]: ...


def classify(
    images: Any,
    top: int = 5,
    fast_decode: bool = False,
    *,
    channels: str = "rgb",
    allow_urls: bool = False,
    coarse: bool = False,
) -> Any:
    """Classifies photos with the bundled SqueezeNet 1.1; see ``Model.classify``."""
    model = _bundled()
    return model.classify(
        images, top, fast_decode, channels=channels, allow_urls=allow_urls, coarse=coarse
    )


def load(
    source: WeightsLike = None,
    *,
    threads: int | None = None,
    isa: str | None = None,
    precision: str | None = None,
    variant: str | None = None,
    preprocessing: str | Preprocessing | Mapping[str, Any] | None = None,
    labels: Labels | None = None,
    conv1_padding: int | None = None,
    conv10_padding: int | None = None,
    ceil_mode: bool | None = None,
    conv10_relu: bool | None = None,
    activation: str | None = None,
    prefix: str | None = None,
    backbone: WeightsLike = None,
) -> Model | Any:  # or a Recognizer; callers know which one they load
    """Loads a model.

    ``source``: None or ``"squeezenet1_1"`` for the bundled SqueezeNet 1.1; the path of a weights
    file; or a name to download, such as ``"torchvision/squeezenet1_1"`` or
    ``"hf://owner/repository/file"``, see ``sqznet.weights.hub``. A file may be torchvision's
    ``.pth`` (or any state_dict with its names), ``.safetensors``, ``.npz``, ``.sqz`` of
    ``sqznet compress``, ONNX, Caffe's
    ``.caffemodel``, Keras's ``.h5`` or ``.keras``, ncnn's ``.param`` with its ``.bin``, or Deep
    Compression's ``.net``. Its content decides the format. ``sqznet.identify`` describes a file.
    ``threads``: at least 1; default: SQZNET_THREADS, else the usable cores, at most 4.
    ``isa``: the instruction set of the kernels; default: SQZNET_ISA, else the best available one.
    ``precision``: ``"float32"``; ``"int8"``, integers of 8 bits, for files that say how their
    weights become integers (``sqznet quantize`` writes them); or ``"auto"``, int8 if the file
    allows it and it is much faster on this processor; default: SQZNET_PRECISION, else float32,
    or int8 for a file that itself rounds its activations to 8 bits.
    ``variant``: the kind of SqueezeNet, if the file cannot tell: only needed for simple bypass.
    ``preprocessing``: a preset name, a ``Preprocessing`` or its dict; default: that of the file,
    else that of a known file with the same hash, else that of its format.
    ``labels``: a name for each class, or the path of a text or JSON file with names, see
    ``sqznet.weights.labels``; default: those of the file, or ImageNet's for 1000 or 1001 classes.
    ``conv1_padding``, ``conv10_padding`` (pixels), ``ceil_mode`` (of the pools), ``conv10_relu``
    (False if no ReLU follows the last convolution): the wiring of the network; default: that of the
    file, else that of its format's framework.
    ``activation``: what makes scores of the network's outputs: ``"softmax"``, shares that add up to
    1; ``"sigmoid"``, a probability for each class by itself, for labels of which several may be
    true; or ``"none"``, the outputs themselves, as in a regression; default: that of the file, else
    softmax, and none for a network with one output.
    ``prefix``: the name of the network in a ``.pth``, ``.safetensors`` or ``.npz`` file that holds
    several, such as ``"model_ema"``; default: the only one, or the averaged one, which the logger
    ``sqznet`` then says.

    A file of `Recognizer.save` gives a Recognizer; ``backbone``: the network that it was trained
    on, if not the bundled SqueezeNet 1.1.

    Raises WeightsError, UnsupportedIsaError or SqznetError, saying what was found and expected.
    """
    from sqznet.weights.locate import locate

    path = locate(source)
    if weights.is_recognizer(path):
        from sqznet.learning.recognizer import load_recognizer

        wiring = (conv1_padding, conv10_padding, ceil_mode, conv10_relu, activation)
        stated = (variant, preprocessing, labels, prefix, *wiring)
        return load_recognizer(path, backbone, threads, isa, precision, stated)
    if backbone is not None:
        raise SqznetError(f"{decoding.describe(path)} is not a recognizer, so it has no backbone")
    return load_model(
        path,
        threads=threads,
        isa=isa,
        precision=precision,
        variant=variant,
        preprocessing=preprocessing,
        labels=labels,
        conv1_padding=conv1_padding,
        conv10_padding=conv10_padding,
        ceil_mode=ceil_mode,
        conv10_relu=conv10_relu,
        activation=activation,
        prefix=prefix,
    )


_bundled = Once(load_model)


def identify(source: WeightsLike) -> Identity | Any:  # or a RecognizerIdentity
    """Describes the weights that ``load`` would use, and how each fact is known.

    For a file of `Recognizer.save` it is a ``RecognizerIdentity``: its classes, how many images of
    each it remembers, and the network that it needs. Raises WeightsError as ``load`` does.
    """
    from sqznet.weights.locate import locate

    path = locate(source)
    if weights.is_recognizer(path):
        from sqznet.learning import identity as recognizers

        return recognizers.identify(path)
    from sqznet.weights import identity

    return identity.identify(path)


def evaluate(
    photos: str | os.PathLike[str] | Mapping[str, Iterable[str | os.PathLike[str]]],
    *,
    model: Any = None,
    report: Callable[[str | ImageError], None] | None = None,
) -> Evaluation:
    """Measures the accuracy of a model on photos with known classes.

    ``photos``: a folder with a sub-folder for each class; or a mapping from labels to image files.
    A label is the name of a class of the model, or WordNet's number of a class of ImageNet, such as
    ``n01484850``. Photos of classes that the model does not know should be "unknown".
    ``model``: a Model, a Recognizer, or what ``load`` takes; default: the bundled SqueezeNet 1.1.
    ``report``: called with a line of text or an ImageError for everything that is left out;
    default: `warnings.warn`.

    Raises SqznetError if the model knows none of the classes, and WeightsError as ``load`` does.
    """
    from sqznet.insight.evaluation import evaluate as measured

    report = report or _warn
    if isinstance(photos, Mapping):
        classes = {label: _files(label, paths) for label, paths in photos.items()}
    elif isinstance(photos, str | os.PathLike):
        from sqznet.learning.folder import classes_in

        classes = classes_in(photos, report)
    else:
        found = type(photos).__name__
        raise SqznetError(f"expected a folder or a mapping from labels to files, found a {found}")
    if model is None:
        model = _bundled()
    elif not hasattr(model, "classify"):
        model = load(model)

    def seen(result: FileResult) -> None:
        if isinstance(result.error, ImageError):
            report(result.error)

    return measured(model, classes, seen)


def _files(label: str, paths: Any) -> list[str]:
    """The paths as text. Raises SqznetError if they are something else."""
    if isinstance(paths, str | os.PathLike) or not isinstance(paths, Iterable):
        paths = [paths]
    listed = list(paths)
    for path in listed:
        if not isinstance(path, str | os.PathLike):
            found = type(path).__name__
            raise SqznetError(f"{decoding.describe(label)}: expected image files, found a {found}")
    return [os.fsdecode(path) for path in listed]


def _warn(message: str | ImageError) -> None:
    warnings.warn(str(message), stacklevel=4)
