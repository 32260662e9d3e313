"""Photos as a network sees them in training: cropped, turned, mirrored and recolored at random, on
the device where it is trained, all photos of a batch at once.

The place of a photo is one affine map, sampled once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sqznet.images.preprocessing import Preprocessing

# Rec. 601, which Pillow's gray levels use, too.
_LUMA = (0.299, 0.587, 0.114)

# The largest share of an input that comes from another one.
_LARGEST_WINDOW = 0.5


@dataclass(frozen=True)
class Strength:
    """How much is drawn at random.

    area: the least and the largest share of a photo that is seen. stretch: the largest ratio of
    width to height, or its reciprocal, by which a photo is distorted. turn: the largest angle, in
    degrees. brightness, contrast, saturation: the largest relative change. flip: whether every
    other photo is mirrored.
    """

    area: tuple[float, float] = (0.5, 1.0)
    stretch: float = 1.2
    turn: float = 10.0
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    flip: bool = True


class Normalization:
    """The network's input for gray levels, on a device."""

    def __init__(self, pre: Preprocessing, device: torch.device) -> None:
        self._order = [2, 1, 0] if pre.channel_order == "bgr" else [0, 1, 2]
        self._mean = torch.tensor(pre.mean, device=device)[:, None, None]
        self._scale = 1 / torch.tensor(pre.std, device=device)[:, None, None]
        self._standardize = pre.standardize

    def __call__(self, levels: Tensor) -> Tensor:
        """float32 (N, 3, H, W), channels last in memory, for float levels of this shape in RGB
        order."""
        x = (levels[:, self._order] - self._mean).mul_(self._scale)
        if self._standardize:
            x -= x.mean((1, 2, 3), keepdim=True)
            deviation = x.std((1, 2, 3), correction=0, keepdim=True)
            x = torch.where(deviation > 0, x / deviation, x)
        return x.contiguous(memory_format=torch.channels_last)


class Augmentation:
    """Makes inputs of gray levels. ``size``: (height, width) of an input in pixels."""

    def __init__(
        self, normalization: Normalization, size: tuple[int, int], strength: Strength
    ) -> None:
        self._normalization, self._size, self._strength = normalization, size, strength

    def __call__(self, levels: Tensor, generator: torch.Generator) -> Tensor:
        """float32 (N, 3, height, width) for gray levels, uint8 (N, H, W, 3) in RGB order, on their
        device. ``generator``: of the CPU; it decides everything."""
        x = levels.permute(0, 3, 1, 2).float()
        count = len(x)
        maps = _places(self._strength, count, generator).to(x.device)
        grid = functional.affine_grid(maps, [count, 3, *self._size], align_corners=False)
        seen = functional.grid_sample(
            x, grid, "bilinear", padding_mode="reflection", align_corners=False
        )
        return self._normalization(recolored(self._strength, seen, generator))


def mixed(
    x: Tensor, targets: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Inputs (N, 3, H, W) with a rectangle of another input each, and the targets (N, classes)
    mixed by area; only in this share of all calls (CutMix: Yun et al., arXiv:1905.04899)."""
    if _drawn(1, generator).item() >= share:
        return x, targets
    height, width = x.shape[2:]
    part = math.sqrt(_LARGEST_WINDOW * _drawn(1, generator).item())
    tall, wide = int(height * part), int(width * part)
    top = int(_drawn(1, generator).item() * (height - tall + 1))
    left = int(_drawn(1, generator).item() * (width - wide + 1))
    order = torch.randperm(len(x), generator=generator).to(x.device)
    x = x.clone()
    window = (..., slice(top, top + tall), slice(left, left + wide))
    x[window] = x[order][window]
    kept = 1 - tall * wide / (height * width)
    return x, kept * targets + (1 - kept) * targets[order]


def _places(strength: Strength, count: int, generator: torch.Generator) -> Tensor:
    """(N, 2, 3): maps from the places of an input to those of its photo, both from -1 to 1."""
    least, most = strength.area
    area = least + (most - least) * _drawn(count, generator)
    stretch = torch.exp(_around_zero(count, generator) * math.log(strength.stretch))
    wide = torch.sqrt(area * stretch).clamp(max=1)
    tall = torch.sqrt(area / stretch).clamp(max=1)
    angle = _around_zero(count, generator) * math.radians(strength.turn)
    across = _around_zero(count, generator) * (1 - wide)
    down = _around_zero(count, generator) * (1 - tall)
    mirror = torch.ones(count)
    if strength.flip:
        mirror[_drawn(count, generator) < 0.5] = -1
    cosine, sine = torch.cos(angle), torch.sin(angle)
    rows = (
        torch.stack([wide * cosine * mirror, -wide * sine, across], 1),
        torch.stack([tall * sine * mirror, tall * cosine, down], 1),
    )
    return torch.stack(rows, 1)


def recolored(strength: Strength, x: Tensor, generator: torch.Generator) -> Tensor:
    """Changes the colors of photos (N, 3, H, W) in place: saturation, contrast around the mean
    gray, then brightness. Together they are a multiple of the photo, one of its gray levels, and a
    constant."""
    count = len(x)

    def factor(largest: float) -> Tensor:
        drawn = 1 + largest * _around_zero(count, generator)
        return drawn.to(x.device)[:, None, None, None]

    brightness = factor(strength.brightness)
    contrast = factor(strength.contrast) * brightness
    saturation = factor(strength.saturation)
    gray = sum(part * x[:, i : i + 1] for i, part in enumerate(_LUMA))
    shift = (brightness - contrast) * gray.mean((2, 3), keepdim=True)
    gray = gray.mul_(contrast * (1 - saturation)).add_(shift)
    return x.mul_(contrast * saturation).add_(gray)


def _drawn(count: int, generator: torch.Generator) -> Tensor:
    """(N,) numbers from 0 to 1; on the CPU, so that every device sees the same photos."""
    return torch.rand(count, generator=generator)


def _around_zero(count: int, generator: torch.Generator) -> Tensor:
    """(N,) numbers from -1 to 1."""
    return 2 * _drawn(count, generator) - 1
