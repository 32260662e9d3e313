"""Other places and sizes for what photos show: flips, collages of four, crops and zooms.

It runs where the photos are, on a GPU if there is one. Photos are float32 (N, 3, H, W) with even
sides; boxes are in parts of the photo, and stay so.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sqznet.training.detectors.overlap import area
from sqznet.training.detectors.truths import NONE, THING, UNKNOWN, Truth

#: The level that stands for what is beyond a photo's edge.
GRAY = 114.0

# The zoom of a photo, and of its width against its height, as factors either way; and how far the
# part that is shown may lie beyond the edge, in parts of its side.
_ZOOM, _STRETCH, _BEYOND = 1.6, 1.25, 0.1

# A thing of which less is left is none; up to the second share it is not known whether it can be
# seen, so the detector may say either.
_GONE, _CLEAR = 0.02, 0.25


def flipped(photos: Tensor, truth: Truth, chosen: Tensor) -> tuple[Tensor, Truth]:
    """The photos with the chosen ones, bool (N,), as in a mirror."""
    turned = torch.where(chosen[:, None, None, None], photos.flip(3), photos)
    x0, y0, x1, y1 = truth.boxes.unbind(-1)
    mirrored = torch.stack([1 - x1, y0, 1 - x0, y1], -1)
    boxes = torch.where(chosen[:, None, None], mirrored, truth.boxes)
    return turned, truth._replace(boxes=boxes)


def collages(photos: Tensor, truth: Truth, others: Tensor) -> tuple[Tensor, Truth]:
    """Photos that show four each, side by side and one above the other, at half their size.

    ``others``: int64 (K, 4), for each of K collages the indices of its photos, from the upper left
    to the lower right. ("Mosaic": Bochkovskiy et al., "YOLOv4", arXiv:2004.10934.)
    """
    count, (height, width) = len(others), photos.shape[2:]
    halves = functional.avg_pool2d(photos, 2)[others.flatten()]
    grid = halves.reshape(count, 2, 2, 3, height // 2, width // 2).permute(0, 3, 1, 4, 2, 5)
    corners = photos.new_tensor([[0, 0], [1, 0], [0, 1], [1, 1]]).repeat(1, 2)
    boxes = (truth.boxes[others] + corners[None, :, None]) / 2
    rows = (count, -1)
    made = Truth(
        boxes.reshape(*rows, 4),
        truth.classes[others].reshape(*rows),
        truth.kinds[others].reshape(*rows),
    )
    return grid.reshape(count, 3, height, width), made


def windows(count: int, generator: torch.Generator) -> Tensor:
    """A random part to show of each of ``count`` photos: float32 (N, 4), left, top, right, bottom
    in parts of the photo, also below 0 and above 1."""
    random = torch.rand((count, 4), generator=generator) * 2 - 1
    size = _ZOOM ** random[:, :1]
    stretch = _STRETCH ** (random[:, 1:2] / 2)
    sides = torch.cat([size * stretch, size / stretch], 1)
    # The middle moves as far as the window stays on the photo, or the photo in it, and a bit.
    middle = 0.5 + random[:, 2:] * ((1 - sides).abs() / 2 + _BEYOND * sides)
    return torch.cat([middle - sides / 2, middle + sides / 2], 1)


def shown(
    photos: Tensor, truth: Truth, parts: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Truth]:
    """The parts of the photos, see `windows`, at (height, width) pixels; gray beyond the edge."""
    start, sides = parts[:, :2], parts[:, 2:] - parts[:, :2]
    # In the coordinates of affine_grid, -1 to 1, a photo's point is scale * point + shift.
    scale, shift = sides, 2 * start + sides - 1
    affine = torch.zeros((len(photos), 2, 3), device=photos.device)
    affine[:, 0, 0], affine[:, 1, 1], affine[:, :, 2] = scale[:, 0], scale[:, 1], shift
    grid = functional.affine_grid(affine, [len(photos), 3, *size], align_corners=False)
    made = functional.grid_sample(photos - GRAY, grid, align_corners=False) + GRAY
    boxes = (truth.boxes - start.repeat(1, 2)[:, None]) / sides.repeat(1, 2)[:, None]
    return made, _visible(truth._replace(boxes=boxes))


def _visible(truth: Truth) -> Truth:
    """The boxes as far as they can be seen."""
    boxes = truth.boxes.clamp(0, 1)
    left = area(boxes) / area(truth.boxes).clamp_min(1e-12)
    unsure = (truth.kinds == THING) & (left < _CLEAR)
    kinds = truth.kinds.masked_fill(unsure, UNKNOWN)
    is_unknown_place = truth.kinds == UNKNOWN
    gone = (area(boxes) <= 0) | ((left < _GONE) & ~is_unknown_place)
    return Truth(boxes, truth.classes, kinds.masked_fill(gone, NONE))
