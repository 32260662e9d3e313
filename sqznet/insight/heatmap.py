"""Shows where in a photo a class is: the class's map before the global average, over the photo.

The last convolution computes a small map for every class. The average of that map after the ReLU is
the logit of the class, so the map shows how much each place adds to it, without any gradient
(Zhou et al., "Learning Deep Features for Discriminative Localization", arXiv:1512.04150).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from sqznet import _kernels
from sqznet.answers import sigmoid
from sqznet.boxes import Box
from sqznet.errors import SqznetError, printable
from sqznet.images.callers import PLAIN, Reading
from sqznet.images.pixels import Pixels
from sqznet.network.layers import Network

if TYPE_CHECKING:
    from sqznet.engine.classification import Classification
    from sqznet.engine.pipeline import Pipeline
    from sqznet.weights import RawTensor

    Floats = npt.NDArray[np.float32]

#: A box encloses places with at least this heat. Of the rules that benchmarks/boxes.py compares,
#: Otsu's among them, none gives boxes that agree clearly better with those around cats and dogs.
BOX_HEAT = 0.15

# Samples per side of the map in which boxes are found: four per cell of a 224 x 224 input.
_BOX_SAMPLES = 56

# The longest side of the photo in a displayed heat map.
_PREVIEW_SIDE = 640


class HeatMap(np.ndarray[Any, np.dtype[np.float32]]):
    """A float32 array (H, W) that a notebook displays as heat over the photo.

    Attributes: ``label`` and ``score``, the class and its score, as in `Prediction`. Slices and
    copies do not have them and display no photo; results of computations are plain arrays. It keeps
    the decoded photo; a pickled one keeps a photo of at most 640 pixels a side.
    """

    label: str | None = None
    score: float | None = None
    _pixels: Pixels | None = None

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        plain = np.asarray(array)
        return plain if plain.ndim else plain[()]

    def __reduce__(self) -> Any:
        reduced: Any = super().__reduce__()
        restore, arguments, state = reduced
        attributes = dict(self.__dict__)
        if self._pixels is not None:
            preview = _picture(self._pixels, _PREVIEW_SIDE)
            attributes["_pixels"] = Pixels(preview, *preview.shape)
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


class Evidence(ABC):
    """What a classifier sees in one photo.

    ``height`` and ``width`` of the upright photo; ``labels``; ``scores``, see `Prediction`: float
    (classes,), made by ``activation``; ``ranking``: the indices of the classes, most likely first;
    ``is_unknown``: whether the photo looks like none of the classes.
    """

    is_unknown = False

    def __init__(
        self,
        model: Pipeline,
        pixels: Pixels,
        labels: Sequence[str],
        activation: str,
        scores: Floats,
    ) -> None:
        self._model, self._pixels = model, pixels
        self.height, self.width = pixels.height, pixels.width
        self.labels, self.activation, self.scores = labels, activation, scores
        self.ranking: list[int] = np.argsort(-scores, kind="stable").tolist()

    @abstractmethod
    def class_map(self, index: int) -> Floats:
        """float32 (h, w): how much each place of the network's last map adds to a class, 0 or
        more."""

    def index(self, label: str | int | None) -> int:
        """The class with this name or index: the most likely one with the name, or of all for None.

        Raises SqznetError, with similar names, if there is none.
        """
        labels = self.labels
        if label is None:
            return self.ranking[0]
        if isinstance(label, str):
            named = [i for i in self.ranking if labels[i] == label]
            named = named or [i for i in self.ranking if labels[i].lower() == label.lower()]
            if named:
                return named[0]
            similar = get_close_matches(label, labels, 3)
            hint = f"; similar: {', '.join(map(repr, similar))}" if similar else ""
            raise SqznetError(f"no class is named {printable(label[:60])!r}{hint}")
        known = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if known and 0 <= label < len(labels):
            return int(label)
        raise SqznetError(
            f"label is {str(label)[:60]!r}, expected the name or index of a class, "
            f"0 to {len(labels) - 1}"
        )

    def heat(self, index: int, height: int | None = None, width: int | None = None) -> Floats:
        """The map of a class over the whole photo: float32 (height, width); default: its own size.

        1 is the hottest place of the class; 0 is a place that adds nothing or is not in the input.
        """
        cells = _scaled(self.class_map(index))
        axes = [
            _axis(cells.shape[i], self._grid, *placed)
            for i, placed in enumerate(self._placed(height or self.height, width or self.width))
        ]
        heat = _spread(cells, axes)
        # The cubic interpolation overshoots a little.
        return np.clip(heat, 0, 1, out=heat)

    def heatmap(self, index: int) -> HeatMap:
        heatmap = self.heat(index).view(HeatMap)
        heatmap.label = self.labels[index]
        heatmap.score = float(self.scores[index])
        heatmap._pixels = self._pixels
        return heatmap

    def picture(self, side: int) -> npt.NDArray[np.uint8]:
        """The photo as uint8 (h, w, 3), reduced so that no side is longer than this."""
        return _picture(self._pixels, side)

    def box(self, index: int, heat: float = BOX_HEAT) -> Box | None:
        """The box of the largest connected part with at least this heat; None if no place adds to
        the class."""
        cells = _scaled(self.class_map(index))
        window = self._model.preprocessing.size
        samples = [
            _axis(cells.shape[i], self._grid, _BOX_SAMPLES, window[i], 0, window[i]) for i in (0, 1)
        ]
        hot = _spread(cells, samples) >= heat
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
        return Box(x0, y0, x1, y1, self.labels[index], float(self.scores[index]))

    @property
    def _grid(self) -> tuple[float, int]:
        return _cell_grid(self._model.executor.network)

    def _placed(self, height: int, width: int) -> tuple[tuple[int, int, int, int], ...]:
        """For rows and columns: the output length, the length to which the photo is resized, and
        the start and length of the network's input in it."""
        from sqznet.images.preprocessing import geometry

        pre = self._model.preprocessing
        resized_h, resized_w, top, left = geometry(pre, self.height, self.width)
        return (height, resized_h, top, pre.size[0]), (width, resized_w, left, pre.size[1])


class Explainable(Protocol):
    """A classifier that can say what each place of a photo adds to a class."""

    def evidence(self, image: Any, how: Reading = PLAIN) -> Evidence:
        """What it sees in one photo. Raises ImageError, and SqznetError if there are no classes."""
        ...


class LogitEvidence(Evidence):
    """The evidence of a network's own classifier, computed in a single run.

    Raises ImageError if the photo cannot be read, and SqznetError without a classifier.
    """

    def __init__(self, model: Classification, image: Any, how: Reading = PLAIN) -> None:
        if model.num_classes == 0:
            raise SqznetError("these weights have no classifier, so there is nothing to explain")
        pixels = model.decode(image, how)
        (maps,) = model.feature_maps([pixels])
        self._features = maps["fire9"]
        logits = maps["logits"]
        super().__init__(model, pixels, model.labels, model.activation, _scores(model, logits))
        self.ranking = np.argsort(-logits, kind="stable").tolist()  # scores may round to equal ones

    def class_map(self, index: int) -> Floats:
        """float32 (h, w): how much each place of the last map adds to a class, 0 or more.

        If a ReLU follows conv10, its average is the logit of the class. If conv10 pads its input
        with zero pixels, the average in the network also counts those; this map does not contain
        them.
        """
        # From the weights as they were read: the packed layer computes only the average.
        tensors = self._model.checkpoint.tensors
        weight, bias = (_row(tensors[f"classifier.1.{part}"], index) for part in ("weight", "bias"))
        cells: Floats = np.einsum("ijc,c->ij", self._features, weight) + bias
        return np.maximum(cells, 0, out=cells)


def _scores(model: Classification, logits: Floats) -> Floats:
    if model.activation == "none":
        return logits
    if model.activation == "sigmoid":
        return np.array([sigmoid(logit) for logit in logits], np.float32)
    scores, flat = np.empty_like(logits), (1, 1, 1, len(logits))
    source, target = (_kernels.Tensor.over(array, flat) for array in (logits, scores))
    _kernels.softmax(model.executor.kernels.f32, source, target)
    return scores


def _picture(pixels: Pixels, side: int) -> npt.NDArray[np.uint8]:
    from sqznet.images.frame import Frame
    from sqznet.insight.painting import reduced

    return reduced(Frame.of(pixels).to_rgb(), side)


def _row(tensor: RawTensor, index: int) -> Floats:
    """float32 (channels,): the weights, or the bias, of one class."""
    row = tensor.channel(index).floats()
    channels = tensor.shape[1] if len(tensor.shape) > 1 else 1
    return np.array(_kernels.Tensor.from_bytes(row.data, row.dtype, (1, channels, 1, 1))).ravel()


def _scaled(cells: Floats) -> Floats:
    peak = cells.max()
    return cells / peak if peak > 0 else cells


def _cell_grid(network: Network) -> tuple[float, int]:
    """The center of the first cell of the last map, and the cell spacing, in input pixels."""
    middle, step = 0.5, 1
    for layer in network.trunk:
        middle += step * ((layer.kernel - 1) / 2 - layer.padding)
        step *= layer.stride
    return middle, step


def _axis(
    cells: int, grid: tuple[float, int], length: int, resized: int, offset: int, window: int
) -> Floats:
    """float32 (length, cells): the weight of each cell for each row (or column) of a photo.

    The `length` rows of the photo are resized to `resized` pixels, of which the network gets
    `window`, starting at `offset`; `grid` places the cells in those. Values between the centers of
    the cells are interpolated by a cubic (Catmull-Rom); outside, the last value continues. Rows
    that the network does not get are 0.
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
    # Not `@`: BLAS would start its own threads, whatever the model's thread count.
    rows, columns = axes
    wide = np.einsum("ij,cj->ic", cells, columns)
    spread: Floats = np.einsum("ri,ic->rc", rows, wide)
    return spread


def _largest_part(hot: npt.NDArray[np.bool_]) -> tuple[Sequence[int], Sequence[int]]:
    """Rows and columns of the pixels of the largest part connected by pixel sides."""
    width = hot.shape[1] + 1  # a cold column separates the end of a row from the next row
    left = set(np.flatnonzero(np.pad(hot, ((0, 0), (0, 1)))).tolist())
    largest: list[int] = []
    while left:
        part = [left.pop()]
        for at in part:  # the list grows during the loop
            found = left.intersection((at - 1, at + 1, at - width, at + width))
            left -= found
            part += found
        largest = max(largest, part, key=len)
    return [at // width for at in largest], [at % width for at in largest]
