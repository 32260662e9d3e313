"""A plain training loop in torch, to compare with: as torchvision's reference scripts have it.

Photos are decoded again in every epoch by Pillow, cropped by the rule of its RandomResizedCrop and
mirrored at random, in processes of a DataLoader; SGD with momentum 0.9 and a weight decay of 1e-4
follows half a cosine down to 0. The learning rate is that of PyTorch's tutorial on fine-tuning
SqueezeNet, 0.001 for 8 photos, and proportional to the batch. The last weights are the result.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from sqznet.images.preprocessing import Preprocessing
from sqznet.training.twin import Twin

BATCH = 32
_RATE = 0.001 * BATCH / 8
_MOMENTUM, _DECAY = 0.9, 1e-4
_AREA, _RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
_TRIES = 10


class Photos(torch.utils.data.Dataset):  # type: ignore[misc]  # torch has no types here
    """Photos as inputs of a network, another crop each time, and their classes."""

    def __init__(self, files: Sequence[str], classes: Sequence[int], pre: Preprocessing) -> None:
        self._files, self._classes, self._pre = files, classes, pre

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        with Image.open(self._files[index]) as file:
            photo = file.convert("RGB")
        height, width = self._pre.size
        box = crop(photo.width, photo.height)
        seen = photo.resize((width, height), Image.Resampling.BILINEAR, box)
        if torch.rand(1).item() < 0.5:
            seen = seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        levels = np.asarray(seen, np.float32)
        if self._pre.channel_order == "bgr":
            levels = levels[..., ::-1]
        x = (levels - np.array(self._pre.mean, np.float32)) / np.array(self._pre.std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1))), self._classes[index]


def crop(width: int, height: int) -> tuple[int, int, int, int]:
    """A random box of a photo, as torchvision's RandomResizedCrop chooses it."""
    for _ in range(_TRIES):
        area = width * height * (_AREA[0] + (_AREA[1] - _AREA[0]) * torch.rand(1).item())
        low, high = map(math.log, _RATIO)
        ratio = math.exp(low + (high - low) * torch.rand(1).item())
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x = int(torch.randint(0, width - w + 1, (1,)))
            y = int(torch.randint(0, height - h + 1, (1,)))
            return x, y, x + w, y + h
    side = min(width, height)
    x, y = (width - side) // 2, (height - side) // 2
    return x, y, x + side, y + side


class PlainLoop:
    """Trains a network on photos. ``workers``: processes that decode; 0: none but this one."""

    def __init__(
        self,
        module: Twin,
        files: Sequence[str],
        classes: Sequence[int],
        pre: Preprocessing,
        workers: int,
    ) -> None:
        self.module = module
        self._loader = torch.utils.data.DataLoader(
            Photos(files, classes, pre),
            BATCH,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        self._optimizer = torch.optim.SGD(
            module.parameters(), _RATE, momentum=_MOMENTUM, weight_decay=_DECAY
        )

    def epoch(self, begin: float, end: float) -> Iterator[int]:
        """Trains for an epoch, from one share of the run to another; gives the number of photos
        after each step."""
        self.module.train()
        steps = len(self._loader)
        for step, (x, classes) in enumerate(self._loader):
            progress = begin + (end - begin) * step / steps
            for group in self._optimizer.param_groups:
                group["lr"] = _RATE * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
            loss = functional.cross_entropy(self.module(x)["logits"], classes)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            yield len(x)

    def run(self, epochs: int | None, seconds: float | None) -> int:
        """Trains for so many epochs, or for so long; the number of epochs."""
        began, done, last = time.monotonic(), 0, 0.0
        while True:
            spent = time.monotonic() - began
            begin = done / epochs if epochs is not None else spent / (seconds or math.inf)
            if begin >= 1:
                return done
            end = (done + 1) / epochs if epochs is not None else begin + last
            before = time.monotonic()
            for _ in self.epoch(begin, end):
                if epochs is None and time.monotonic() - began >= (seconds or 0):
                    break
            if seconds is not None:
                last = (time.monotonic() - before) / seconds
            done += 1
