"""From a detector's outputs to detections, in the pixels of each photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqznet import _kernels
from sqznet.boxes import Box, Detection
from sqznet.engine.program import Workspace
from sqznet.errors import WeightsError
from sqznet.network.convdet import AnchorDesign
from sqznet.network.detector import AnyDesign, Design

Size = tuple[int, int]
Find = Callable[..., Sequence[tuple[int, float, float, float, float, float]]]


class Ask(NamedTuple):
    """The lowest score of each class, and how many answers a photo may have."""

    thresholds: Sequence[float]
    most: int


class Boxes:
    """Finds the boxes in a workspace that has run a detector.

    ``outputs``: the names of its levels' outputs. ``size``: (height, width) of its input in pixels.
    ``origin``: the weights file, for messages.
    """

    def __init__(
        self,
        design: AnyDesign,
        outputs: Sequence[str],
        labels: Sequence[str],
        size: Size,
        origin: str,
    ) -> None:
        self._find = (
            _anchors(design, *outputs)
            if isinstance(design, AnchorDesign)
            else _levels(design, outputs)
        )
        self._rules = (design.limit, design.iou, design.candidates)
        self._labels = labels
        self._size = size
        self._origin = origin

    def found(
        self, workspace: Workspace, sizes: Mapping[int, Size], ask: Ask
    ) -> dict[int, list[Detection]]:
        """The detections of each row, best first.

        ``sizes``: (height, width) in pixels of the photo in each row that holds one. Raises
        WeightsError if an output is not finite.
        """
        return {row: self._row(workspace, row, *size, ask) for row, size in sizes.items()}

    def _row(
        self, workspace: Workspace, row: int, height: int, width: int, ask: Ask
    ) -> list[Detection]:
        try:
            boxes = self._find(workspace, row, ask.thresholds, self._size, *self._rules, ask.most)
        except ValueError as error:
            raise WeightsError(f"{self._origin}: {error}; these weights are damaged") from None
        found = []
        for index, score, x0, y0, x1, y1 in boxes:
            label = self._labels[index]
            box = Box(x0 * width, y0 * height, x1 * width, y1 * height, label, score)
            found.append(Detection(label, score, index, box))
        return found


def _levels(design: Design, outputs: Sequence[str]) -> Find:
    """Finds the boxes in the outputs of all levels."""
    levels = [
        (name, float(level.stride), level.offset + 0.5)
        for name, level in zip(outputs, design.levels, strict=True)
    ]

    def find(workspace: Workspace, *rules: Any) -> Any:
        return _kernels.boxes(
            [(workspace.outputs[name], stride, first) for name, stride, first in levels], *rules
        )

    return find


def _anchors(design: AnchorDesign, output: str) -> Find:
    """The same for the one output of a SqueezeDet."""

    def find(workspace: Workspace, row: int, *rules: Any) -> Any:
        return _kernels.anchor_boxes(workspace.outputs[output], row, design.anchors, *rules)

    return find
