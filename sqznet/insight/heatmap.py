"""Where in a photo a class shows: its map before the global average, laid over the photo.

The last convolution gives every class a small map; behind its ReLU, the average of that map is the
class's logit. The map so tells how much each place adds to the answer, without any gradient
(Zhou et al., "Learning Deep Features for Discriminative Localization", arXiv:1512.04150).
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sqznet import _kernels
from sqznet.errors import SqznetError, printable
from sqznet.images import decoding
from sqznet.network.layers import Network

if TYPE_CHECKING:
    from sqznet.engine.classification import Classification
    from sqznet.weights import RawTensor

    Floats = npt.NDArray[np.float32]

#: A box holds what is at least this hot.
BOX_HEAT = 0.25

# Samples a side of the map in which boxes are looked for: four a cell of a 224 x 224 input.
_BOX_SAMPLES = 56

# The longest side of the photo that a heat map shows.
_PREVIEW_SIDE = 640


class Box(NamedTuple):
    """Where a class shows: columns x0 to x1 and rows y0 to y1 of the upright photo, the last ones
    excluded, in whole pixels; the class's name; its softmax score in 0..1."""

    x0: int
    y0: int
    x1: int
    y1: int
    label: str
    score: float


class HeatMap(np.ndarray[Any, np.dtype[np.float32]]):
    """A float32 array (H, W) that a notebook shows as heat over the photo.

    Attributes: ``label`` and ``score``, the class and its softmax score in 0..1. Parts and copies
    of it are without them and show no photo; what is computed from it is a plain array. It holds
    on to the decoded photo; pickled, to one of 640 pixels a side at most.
    """

    label: str | None = None
    score: float | None = None
    _pixels: decoding.Pixels | None = None

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        plain = np.asarray(array)
        return plain if plain.ndim else plain[()]

    def __reduce__(self) -> Any:
        reduced: Any = super().__reduce__()
        restore, arguments, state = reduced
        attributes = dict(self.__dict__)
        if self._pixels is not None:
            preview = _picture(self._pixels, _PREVIEW_SIDE)
            attributes["_pixels"] = decoding.Pixels(preview, *preview.shape)
        return restore, arguments, (state, attributes)

    def __setstate__(self, state: Any) -> None:
        array, self.__dict__ = state
        super().__setstate__(array)

    def _repr_png_(self) -> bytes | None:
        if self._pixels is None:
            return None
        from sqznet.insight.painting import as_png, overlay, resized_heat

        preview = _picture(self._pixels, _PREVIEW_SIDE)
        return as_png(overlay(preview, resized_heat(self, *preview.shape[:2])))


class Evidence:
    """What the network saw in one photo, from a single run.

    ``height`` and ``width`` of the upright photo; ``scores``: softmax, float32 (classes,);
    ``ranking``: the classes' indices, the likeliest first.
    Raises ImageError if the photo cannot be read.
    """

    def __init__(self, model: Classification, source: Any) -> None:
        if model.num_classes == 0:
            raise SqznetError("these weights have no classifier, so there is nothing to explain")
        self._pixels = decoding.decode(source)
        self.height, self.width = self._pixels.height, self._pixels.width
        (maps,) = model.feature_maps([self._pixels])
        self._features = maps["fire9"]
        self._model = model
        logits = maps["logits"]
        self.scores = np.empty_like(logits)
        flat = (1, 1, 1, len(logits))
        _kernels.softmax(
            model.executor.table,
            _kernels.Tensor.over(logits, flat),
            _kernels.Tensor.over(self.scores, flat),
        )
        self.ranking: list[int] = np.argsort(-logits, kind="stable").tolist()

    def index(self, label: str | int | None) -> int:
        """The class of that name or index; the likeliest of that name, or of all for None.

        Raises SqznetError, with similar names, if there is none.
        """
        labels = self._model.labels
        if label is None:
            return self.ranking[0]
        if isinstance(label, str):
            named = [i for i in self.ranking if labels[i] == label]
            named = named or [i for i in self.ranking if labels[i].lower() == label.lower()]
            if named:
                return named[0]
            similar = get_close_matches(label, labels, 3)
            hint = f"; similar: {', '.join(map(repr, similar))}" if similar else ""
            raise SqznetError(f"no class is called {printable(label[:60])!r}{hint}")
        known = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if known and 0 <= label < len(labels):
            return int(label)
        raise SqznetError(
            f"label is {str(label)[:60]!r}, expected a class's name or its index, "
            f"0 to {len(labels) - 1}"
        )

    def class_map(self, index: int) -> Floats:
        """float32 (h, w): what each place of the network's last map adds to a class, 0 or more.

        Its average is the class's logit, but for zero pixels around conv10's input, which are not
        in it though the average counts them.
        """
        # Views of the weights file: packed for its kernel, the layer gives the average alone.
        checkpoint = self._model.checkpoint
        checkpoint.require_unchanged()
        tensors = checkpoint.tensors
        weight, bias = (_row(tensors[f"classifier.1.{part}"], index) for part in ("weight", "bias"))
        cells: Floats = np.einsum("ijc,c->ij", self._features, weight) + bias
        return np.maximum(cells, 0, out=cells)

    def heat(self, index: int, height: int | None = None, width: int | None = None) -> Floats:
        """A class's map over the whole photo: float32 (height, width), by default the photo's own.

        1 is the class's hottest place, 0 where nothing speaks for it or the network did not look.
        """
        cells = _scaled(self.class_map(index))
        axes = [
            _axis(cells.shape[i], self._grid, *placed)
            for i, placed in enumerate(self._placed(height or self.height, width or self.width))
        ]
        heat = _spread(cells, axes)
        # The cubic through the cells swings a little beyond them.
        return np.clip(heat, 0, 1, out=heat)

    def heatmap(self, index: int) -> HeatMap:
        heatmap = self.heat(index).view(HeatMap)
        heatmap.label = self._model.labels[index]
        heatmap.score = float(self.scores[index])
        heatmap._pixels = self._pixels
        return heatmap

    def picture(self, side: int) -> npt.NDArray[np.uint8]:
        """The photo as uint8 (h, w, 3), made smaller until no side is longer than this."""
        return _picture(self._pixels, side)

    def box(self, index: int) -> Box | None:
        """Around the largest connected part of a class's map that is BOX_HEAT or hotter; None if
        nothing speaks for the class."""
        cells = _scaled(self.class_map(index))
        window = self._model.preprocessing.size
        samples = [
            _axis(cells.shape[i], self._grid, _BOX_SAMPLES, window[i], 0, window[i]) for i in (0, 1)
        ]
        hot = _spread(cells, samples) >= BOX_HEAT
        if not hot.any():
            return None
        ends: list[tuple[int, int]] = []
        for i, positions in enumerate(_largest_part(hot)):
            length, resized, offset, side = self._placed(self.height, self.width)[i]
            first, last = (
                (sample * side / _BOX_SAMPLES + offset) * length / resized
                for sample in (min(positions), max(positions) + 1)
            )
            start = min(max(round(first), 0), length - 1)
            ends.append((start, max(start + 1, min(round(last), length))))
        (y0, y1), (x0, x1) = ends
        return Box(x0, y0, x1, y1, self._model.labels[index], float(self.scores[index]))

    @property
    def _grid(self) -> tuple[float, int]:
        return _cell_grid(self._model.executor.network)

    def _placed(self, height: int, width: int) -> tuple[tuple[int, int, int, int], ...]:
        """For rows and columns: how many are wanted, what the photo is resized to, where the
        network's input begins in that, and how long it is."""
        from sqznet.images.preprocessing import geometry

        pre = self._model.preprocessing
        resized_h, resized_w, top, left = geometry(pre, self.height, self.width)
        return (height, resized_h, top, pre.size[0]), (width, resized_w, left, pre.size[1])


def boxes(model: Classification, source: Any, top: int) -> list[Box]:
    """The boxes of the `top` likeliest classes; see ``Model.localize``."""
    evidence = Evidence(model, source)
    found = [evidence.box(index) for index in evidence.ranking[:top]]
    return [box for box in found if box is not None]


def _picture(pixels: decoding.Pixels, side: int) -> npt.NDArray[np.uint8]:
    from sqznet.images.frame import Frame
    from sqznet.insight.painting import reduced

    return reduced(Frame.of(pixels).to_rgb(), side)


def _row(tensor: RawTensor, index: int) -> Floats:
    """float32 (channels,): one class's part of the weights, or of the biases."""
    row = tensor.channel(index).floats()
    channels = tensor.shape[1] if len(tensor.shape) > 1 else 1
    return np.array(_kernels.Tensor.from_bytes(row.data, row.dtype, (1, channels, 1, 1))).ravel()


def _scaled(cells: Floats) -> Floats:
    peak = cells.max()
    return cells / peak if peak > 0 else cells


def _cell_grid(network: Network) -> tuple[float, int]:
    """The middle of the last map's first cell, and the cells' distance, in pixels of the input."""
    middle, step = 0.5, 1
    for layer in network.trunk:
        kernel, stride, padding = layer.window
        middle += step * ((kernel - 1) / 2 - padding)
        step *= stride
    return middle, step


def _axis(
    cells: int, grid: tuple[float, int], length: int, resized: int, offset: int, window: int
) -> Floats:
    """float32 (length, cells): what each cell gives to each of a photo's rows (or columns).

    The photo's `length` rows stand for `resized` pixels, of which the network sees `window` from
    `offset` on; `grid` places the cells in those. Between the cells' middles runs a cubic
    (Catmull and Rom's), outside them their last value; rows that the network does not see get 0.
    """
    middle, step = grid
    edges = np.arange(length + 1) * (resized / length) - offset
    seen = (edges[1:] > 1e-6) & (edges[:-1] < window - 1e-6)
    at = np.clip(((edges[1:] + edges[:-1]) / 2 - middle) / step, 0, cells - 1)
    left = np.floor(at)
    t = at - left
    taps = (
        t * (-0.5 + t * (1 - 0.5 * t)),
        1 + t * t * (-2.5 + 1.5 * t),
        t * (0.5 + t * (2 - 1.5 * t)),
        t * t * (-0.5 + 0.5 * t),
    )
    weights = np.zeros((length, cells), np.float32)
    rows = np.arange(length)
    for shift, tap in enumerate(taps, start=-1):
        columns = np.clip(left.astype(np.intp) + shift, 0, cells - 1)
        np.add.at(weights, (rows, columns), tap * seen)
    return weights


def _spread(cells: Floats, axes: Sequence[Floats]) -> Floats:
    # Not `@`, for BLAS would start threads of its own, however many the model was given.
    rows, columns = axes
    wide = np.einsum("ij,cj->ic", cells, columns)
    spread: Floats = np.einsum("ri,ic->rc", rows, wide)
    return spread


def _largest_part(hot: npt.NDArray[np.bool_]) -> tuple[Sequence[int], Sequence[int]]:
    """Rows and columns of the pixels of the largest part that hangs together by its sides."""
    width = hot.shape[1] + 1  # a cold column keeps the end of a row from the next one's start
    left = set(np.flatnonzero(np.pad(hot, ((0, 0), (0, 1)))).tolist())
    largest: list[int] = []
    while left:
        part = [left.pop()]
        for at in part:  # grows while it is walked
            found = left.intersection((at - 1, at + 1, at - width, at + width))
            left -= found
            part += found
        largest = max(largest, part, key=len)
    return [at // width for at in largest], [at % width for at in largest]
