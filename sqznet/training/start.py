"""The network that a training begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.images.callers import PLAIN
from sqznet.learning.learner import Learner
from sqznet.learning.seeing import views_of
from sqznet.model import Model
from sqznet.network.variants import network_for
from sqznet.training.result import Design
from sqznet.training.store import Levels
from sqznet.weights.checkpoint import Checkpoint, RawTensor
from sqznet.weights.fingerprint import fingerprint
from sqznet.weights.labels import for_network
from sqznet.weights.locate import WeightsLike, locate

#: The head's convolution.
HEAD = "classifier.1"

# Photos by which it is decided whether mirror images are of the same class.
_LOOKED_AT, _CLASSES, _EACH = 400, 100, 20


class Start(NamedTuple):
    """design: of the network that is trained. weights: those of the file. new: the convolutions
    that it does not have. sha256: see `sqznet.weights.fingerprint`."""

    design: Design
    weights: Mapping[str, RawTensor]
    new: tuple[str, ...]
    sha256: str
    checkpoint: Checkpoint


def start_from(source: WeightsLike, labels: tuple[str, ...]) -> Start:
    """The network for these classes, with the trunk of some weights, and their head if it has the
    same classes. Raises WeightsError as `sqznet.load` does, and for a detector."""
    checkpoint = weights.read(locate(source))
    if checkpoint.detector is not None:
        raise WeightsError(f"{checkpoint.path}: is a detector, expected a classifier to begin with")
    network, wiring = checkpoint.network(), checkpoint.wiring
    new: tuple[str, ...] = ()
    if not network.num_classes or labels != for_network(
        None, checkpoint.labels, network.num_classes, checkpoint.path
    ):
        shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
        channels = network.channels(network.trunk[-1].name)
        shapes[f"{HEAD}.weight"] = (len(labels), channels, 1, 1)
        shapes[f"{HEAD}.bias"] = (len(labels),)
        wiring = wiring._replace(conv10_padding=0, conv10_relu=False)
        new = (HEAD,)
    else:
        shapes = network.tensors()
    wiring = wiring._replace(softmax=False, activation="softmax")
    network = network_for(shapes, network.variant, checkpoint.path, wiring)
    network.shapes(*checkpoint.preprocessing.size)
    design = Design(network, checkpoint.preprocessing, labels, wiring)
    return Start(design, checkpoint.tensors, new, fingerprint(checkpoint), checkpoint)


def mirrors_agree(start: Start, photos: Levels, classes: Sequence[int]) -> bool:
    """Whether mirror images look most like images of their own class, by the features of
    `sqznet.learning`: then they are trained with, too. ``photos``: uint8 (N, H, W, 3), RGB."""
    model = Model(start.checkpoint)
    learner = Learner()
    indices = np.array(classes)
    known = np.unique(indices)[:_CLASSES]
    each = max(2, min(_EACH, _LOOKED_AT // len(known)))
    for index in known:
        some = np.flatnonzero(indices == index)[:each]
        images = [np.asarray(photos[i]) for i in some]
        views = views_of(model, images, True, None, PLAIN, lambda: None)
        learner.add({str(index): views})
    return bool(learner.examples.mirrored.any())
