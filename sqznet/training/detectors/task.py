"""What the loop of `sqznet.training` needs to train a detector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sqznet.detection.detector import Detector
from sqznet.detection.evaluation import DetectionEvaluation, evaluate
from sqznet.errors import WeightsError
from sqznet.training.augmentation import Normalization, Strength, recolored
from sqznet.training.detectors.assignment import assigned
from sqznet.training.detectors.decoding import decoded
from sqznet.training.detectors.losses import loss
from sqznet.training.detectors.placing import collages, flipped, shown, windows
from sqznet.training.detectors.start import Start, settle
from sqznet.training.detectors.truths import Truth, Truths
from sqznet.training.loop import Group, Measures
from sqznet.training.seeding import generator
from sqznet.training.store import Levels

if TYPE_CHECKING:
    from sqznet.detection.true_photo import TruePhoto


class Rates(NamedTuple):
    """Peak learning rates of AdamW: of the trunk, of the head, of its layer that gives the classes'
    scores."""

    trunk: float
    head: float
    classes: float


# For a new head, for new classes on a head that was trained before, and for classes that it knows,
# which larger rates would make worse before they get better. And the weight decay.
_FRESH = Rates(1e-4, 1e-3, 1e-3)
_NEW = Rates(1e-4, 6e-4, 2e-3)
_KNOWN = Rates(1e-5, 5e-5, 5e-5)
_DECAY = 0.01

# The share of the photos that are shown in collages.
_COLLAGES = 0.5

# The sides of inputs differ by this much either way, in pixels, so that the detector also works at
# other sizes.
STEP = 32


class Batch(NamedTuple):
    """``inputs``: float32 (N, 3, H, W), normalized. ``truth``: boxes in pixels of the input."""

    inputs: Tensor
    truth: Truth


class DetectionTask:
    """Trains a detector; see `sqznet.training.loop.Task`.

    ``pixels``: uint8 (N, H, W, 3), RGB, photos to train with. ``truths``: what is known of each.
    ``validation``: photos with known boxes, of which a thing is of a class of the detector.
    ``batch``: photos a step. ``mirror``: whether every other photo is mirrored.
    """

    def __init__(
        self,
        start: Start,
        pixels: Levels,
        truths: Truths,
        validation: Sequence[TruePhoto],
        *,
        device: torch.device,
        batch: int,
        mirror: bool,
        seed: int,
    ) -> None:
        self._start, self._pixels, self._truths = start, pixels, truths
        self._validation = validation
        self._device, self._mirror, self._seed = device, mirror, seed
        self._batch = min(batch, len(truths))
        self.module = start.twin.to(device, memory_format=torch.channels_last)
        self.groups = _groups(start)
        self.steps = math.ceil(len(truths) / self._batch)
        self._normalization = Normalization(start.preprocessing, device)
        if start.fresh:
            settle(start, next(iter(self.batches(0))).inputs)

    def batches(self, epoch: int) -> Iterator[Batch]:
        random = generator(self._seed, epoch)
        order = torch.randperm(len(self._truths), generator=random).numpy()
        for chosen in np.array_split(order, self.steps):
            yield self._made(sorted(chosen.tolist()), random)

    def loss(self, batch: Batch) -> Tensor:
        maps = self.module(batch.inputs)
        # The assignment and the loss add small numbers: always in float32.
        with torch.autocast(self._device.type, enabled=False):
            found = decoded(self._start.design, self._start.outputs, maps)
            return loss(found, assigned(found, batch.truth)).total

    def validate(self, module: nn.Module) -> Measures:
        with suppress(WeightsError):  # these are not finite: the loop knows what to do
            evaluation = self.evaluate(module)
            values = {"AP": evaluation.ap or 0.0, "AP50": evaluation.ap50 or 0.0}
            return Measures(values["AP"], values)
        return Measures(math.nan, {})

    def evaluate(self, module: nn.Module) -> DetectionEvaluation:
        """Measures a module like ``module`` on the photos for validation, with the same kernels and
        rules as ``sqznet evaluate``. Raises WeightsError if its weights are not finite."""
        checkpoint = self._start.checkpoint(module, "the weights so far")
        detector = Detector(checkpoint, precision="float32")
        return evaluate(detector, self._validation, lambda _: None)

    def _made(self, chosen: Sequence[int], random: torch.Generator) -> Batch:
        levels = torch.from_numpy(self._pixels[chosen]).to(self._device)
        photos = levels.permute(0, 3, 1, 2).float()
        truth = self._truths.of(chosen).to(self._device)
        count = len(photos)
        if self._mirror:
            turned = torch.rand(count, generator=random) < 0.5
            photos, truth = flipped(photos, truth, turned.to(self._device))
        several = round(count * _COLLAGES)
        if several:
            others = torch.randint(count, (several, 4), generator=random)
            others[:, 0] = torch.arange(several)  # so that each photo is shown
            grids, of_grids = collages(photos, truth, others.to(self._device))
            photos = torch.cat([grids, photos[several:]])
            truth = of_grids.joined(Truth(*(each[several:] for each in truth)))
        parts = windows(count, random).to(self._device)
        side = self._side(random)
        photos, truth = shown(photos, truth, parts, side)
        truth = truth.compact()
        inputs = self._normalization(recolored(Strength(), photos, random))
        scale = inputs.new_tensor([side[1], side[0], side[1], side[0]])
        return Batch(inputs, truth._replace(boxes=truth.boxes * scale))

    def _side(self, random: torch.Generator) -> tuple[int, int]:
        """The (height, width) of this batch's inputs."""
        step = STEP * (int(torch.randint(3, (1,), generator=random)) - 1)
        height, width = self._start.preprocessing.size
        return height + step, width + step


def _groups(start: Start) -> list[Group]:
    """The layers that start at random learn faster than those that were trained before."""
    knows_all = len(start.known) == len(start.labels)
    rates = _FRESH if start.fresh else _KNOWN if knows_all else _NEW
    parts: dict[str, list[nn.Parameter]] = {part: [] for part in Rates._fields}
    for name, parameter in start.twin.named_parameters():
        is_of_classes = name.startswith(f"{start.design.classes}.")
        is_of_trunk = name.startswith("features.")
        part = "trunk" if is_of_trunk else "classes" if is_of_classes else "head"
        parts[part].append(parameter)
    return [Group(parts[part], rate, _DECAY) for part, rate in rates._asdict().items()]
