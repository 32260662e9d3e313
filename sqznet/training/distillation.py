"""Training without labels: a network learns to answer as a teacher does.

Both see the same random view of a photo, and the loss is the cross-entropy of the student's
probabilities with the teacher's on that view: with different views, or with answers that were given
once and for all, students stay worse (Beyer et al., "Knowledge distillation: A good teacher is
patient and consistent", arXiv:2106.05237). The idea: Hinton et al., arXiv:1503.02531.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sqznet.errors import SqznetError, path_for_messages
from sqznet.images.finding import expand
from sqznet.images.preprocessing import Preprocessing
from sqznet.training.augmentation import Augmentation, Normalization, Strength
from sqznet.training.classification import LOGITS, Classification, Examples
from sqznet.training.photos import Classes, Folder, Photos, Report, checked_share
from sqznet.training.teacher import Teacher
from sqznet.training.twin import Twin

# Gray levels as they are.
_LEVELS = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
_GROUP = 64  # photos that a teacher is asked for at once


class Distillation(Classification):
    """The task of a student; see `sqznet.training.loop.Task`.

    training: uint8 (N, H, W, 3), RGB. validation: photos of the size of the student's input, with
    the teacher's probabilities. pre: the student's preprocessing.
    """

    def __init__(
        self,
        module: Twin,
        training: Tensor,
        validation: Examples,
        teacher: Teacher,
        pre: Preprocessing,
        seed: int,
    ) -> None:
        device = validation.targets.device
        levels = Augmentation(Normalization(_LEVELS, device), pre.size, Strength())
        self._teacher, self._inputs = teacher, Normalization(pre, device)
        unknown = Examples(training, torch.empty(len(training), 0)).to(device)
        super().__init__(module, unknown, validation, levels, self._inputs, seed, balanced=False)
        self.prior = torch.zeros(teacher.classes, device=device)

    def views(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for levels, _ in super().views(generator):
            seen = levels.clamp(0, 255)
            yield self._inputs(seen), self._teacher(seen)

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, targets = batch
        return functional.cross_entropy(self.module(x)[LOGITS].float(), targets)


def answers(teacher: Teacher, photos: Tensor, advance: Callable[[float], None]) -> Tensor:
    """The probabilities, float32 (N, classes), that a teacher gives for photos, uint8
    (N, H, W, 3), RGB. ``advance``: called with the share that is done."""
    found = []
    for group in photos.split(_GROUP):
        found.append(teacher(group.permute(0, 3, 1, 2).float()))
        advance(sum(map(len, found)) / len(photos))
    return torch.cat(found)


def unlabeled(
    folder: Folder | Classes | Photos,
    val: Folder | Classes | Photos | float,
    seed: int,
    report: Report,
) -> tuple[list[str], list[str]]:
    """The paths of the photos to train with and to validate with.

    ``folder``: a folder of photos, at any depth, or paths of photos. ``val``: the same for
    validation, or the share that is kept apart for it; which ones depends on ``seed``. ``report``:
    called with a line for everything that is left out. Raises SqznetError if either has none.
    """
    found = _photos(folder, report)
    if isinstance(val, (int, float)):
        share = checked_share(val)
        if len(found) < 2:
            raise SqznetError("one photo alone: expected another one to validate with")
        order = np.random.default_rng(seed).permutation(len(found))
        count = min(max(round(share * len(found)), 1), len(found) - 1)
        apart = set(order[:count].tolist())
        parts = [
            [path for i, path in enumerate(found) if (i in apart) is kept] for kept in (False, True)
        ]
        return parts[0], parts[1]
    return found, _photos(val, report)


def _photos(given: Folder | Classes | Photos, report: Report) -> list[str]:
    if isinstance(given, Mapping):
        raise SqznetError("a teacher names the classes: expected a folder or paths of photos")
    paths = []
    for found in expand([given] if isinstance(given, (str, os.PathLike)) else given, notice=report):
        if found.error is None:
            paths.append(found.path)
        else:
            report(found.error)
    if not paths:
        name = path_for_messages(given) if isinstance(given, (str, os.PathLike)) else "the list"
        raise SqznetError(f"{name}: expected photos, found none")
    return paths
