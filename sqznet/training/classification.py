"""Training a classifier: its batches, loss, learning rates and validation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sqznet.training import seeding
from sqznet.training.augmentation import Augmentation, Normalization, mixed
from sqznet.training.loop import Group, Measures
from sqznet.training.twin import Twin

#: The name of the output of a classifier.
LOGITS = "logits"

# An epoch has about so many batches, of at least and at most so many photos; the latter for CPUs,
# which gain nothing by larger ones.
_STEPS, _LEAST, _MOST = 12, 8, 32

_JUDGED = 64  # photos that are validated at once

# How much of its target a class gives to all, and the share of the batches that are mixed.
_SMOOTHING = 0.05
_MIXED = 0.3

# Peak learning rates of AdamW: the head's; each fire below has this share of the one above it.
_RATE = 6e-4
_DEPTH_SHARE = 0.8
_DECAY = 0.02

# What one unit of loss counts beside accuracy (0..1): it decides between equal accuracies.
_LOSS_WEIGHT = 1e-3


class Examples(NamedTuple):
    """Photos and what they show.

    levels: uint8 (N, H, W, 3), RGB. targets: float32 (N, classes), the share of each class; 1 and 0
    where the class is known.
    """

    levels: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> Examples:
        """On a GPU, if there is room; a batch is copied there otherwise."""
        if device.type != "cuda" or self.levels.nbytes * 2 > torch.cuda.mem_get_info(device)[0]:
            return Examples(self.levels, self.targets.to(device))
        return Examples(self.levels.to(device), self.targets.to(device))

    def some(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The levels and targets of some photos, on the device of the targets."""
        levels = self.levels[indices.to(self.levels.device)].to(self.targets.device)
        return levels, self.targets[indices.to(self.targets.device)]


def one_hot(classes: list[int], count: int) -> Tensor:
    """The targets of photos whose classes are known."""
    return functional.one_hot(torch.tensor(classes), count).float()


class Classification:
    """The task of a classifier; see `sqznet.training.loop.Task`.

    training, validation: the photos; the latter have the size of the network's input. augmentation:
    makes inputs of the former. balanced: whether rare classes count as much as others.
    """

    def __init__(
        self,
        module: Twin,
        training: Examples,
        validation: Examples,
        augmentation: Augmentation,
        normalization: Normalization,
        seed: int,
        balanced: bool = True,
    ) -> None:
        self.module = module
        self._training, self._validation = training, validation
        self._augmentation, self._normalization = augmentation, normalization
        self._seed = seed
        self._batch = min(max(self.photos // _STEPS, _LEAST), _MOST)
        self.groups = _groups(module)
        share = training.targets.mean(0).clamp(min=1e-6)
        #: Added to the logits in training, so that those of the network itself are as if all
        #: classes were equally frequent (Menon et al., arXiv:2007.07314).
        self.prior = torch.log(share * len(share)) if balanced else torch.zeros_like(share)

    @property
    def photos(self) -> int:
        """How many photos train."""
        return len(self._training.levels)

    @property
    def steps(self) -> int:
        return -(-self.photos // self._batch)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = seeding.generator(self._seed, epoch)
        for x, targets in self.views(generator):
            yield mixed(x, targets, _MIXED, generator)

    def views(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """All photos in random order, augmented, with their targets, in batches of almost the same
        size."""
        order = torch.randperm(self.photos, generator=generator)
        for indices in order.tensor_split(self.steps):
            levels, targets = self._training.some(indices)
            yield self._augmentation(levels, generator), targets

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, targets = batch
        logits = self.module(x)[LOGITS].float() + self.prior
        return functional.cross_entropy(logits, targets, label_smoothing=_SMOOTHING)

    def validate(self, module: torch.nn.Module) -> Measures:
        logits = torch.cat([module(x)[LOGITS].float() for x in self._judged()])
        targets = self._validation.targets
        loss = float(functional.cross_entropy(logits, targets))
        hits = logits.argmax(1) == targets.argmax(1)
        accuracy = float(hits.float().mean())
        values = {"accuracy": accuracy, "validation_loss": loss}
        return Measures(accuracy - _LOSS_WEIGHT * loss, values)

    def _judged(self) -> Iterable[Tensor]:
        for indices in torch.arange(len(self._validation.levels)).split(_JUDGED):
            yield self._normalization(self._validation.some(indices)[0].permute(0, 3, 1, 2).float())


def _groups(module: Twin) -> list[Group]:
    """A group for each layer of the network, from the head down, the rates falling with depth."""
    network = module.network
    head = [
        name
        for branch in network.branches[1:]
        for layer in branch.layers
        for name in layer.tensors(1)
    ]
    layers = [head, *(list(layer.tensors(1)) for layer in reversed(network.trunk))]
    named = dict(module.named_parameters())
    rate, groups = _RATE, []
    for names in layers:
        if names:
            groups.append(Group([named[name] for name in names], rate, _DECAY))
            rate *= _DEPTH_SHARE
    return groups
