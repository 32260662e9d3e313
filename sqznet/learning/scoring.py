"""Turns predictions into calibrated scores, and finds images of unknown classes.

The Gaussian process predicts a target for each of C classes: w - 1/C for images of the class, where
w is 1 for a class of average size, and -1/C for others. A softmax over the predictions, scaled by
one factor, gives the scores. The factor maximizes the likelihood of the examples, each predicted
without itself (temperature scaling: Guo et al., "On Calibration of Modern Neural Networks",
arXiv:1706.04599).

The familiarity of an image is the margin between its best two predictions, in standard deviations,
minus the logarithm of a distance ratio: how far the best class's nearest examples are from the
image, relative to their distance from one another (the local outlier factor: Breunig et al., SIGMOD
2000). An image is unknown if its familiarity is below that of nearly all examples, each scored
without itself. The share of known images that are called unknown is then as chosen: this is the
argument of conformal prediction (Vovk, Gammerman and Shafer, 2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sqznet.learning.examples import Examples, Flags, Floats, Indices
from sqznet.learning.gaussian_process import Doubles, GaussianProcess, kernel, times

#: The share of known images that may be called unknown.
REJECTED = 0.05

#: THRESHOLD applies if fewer images than this have another image of their class.
ENOUGH = 10
THRESHOLD = -0.2

# How many of a class's nearest rows define the distance of an image to the class.
_NEIGHBORS = 3

# Squared distances between images of one class: the default while no class has two images, and a
# lower limit, since the same image may have been added twice.
_TYPICAL, _LEAST = 0.2, 0.05

# The default factor of the softmax, and how strongly little evidence pulls the factor toward it.
_SHARPNESS, _PULL = 15.0, 4.0
_SHARPNESSES = np.geomspace(1.0, 100.0, 36)

# Mirror images are learned if at least this share of them looks most like their own class.
_AGREEMENT = 0.8


@dataclass(frozen=True)
class Answers:
    """The results for N images and C classes.

    scores: float64 (N, C), the probability of each class, given that it is one of them; each row
    sums to one. familiarity: float64 (N,), low for images of unknown classes; only its order has a
    meaning. unknown: bool (N,), which images look like none of the examples.
    novelty: float64 (N,), the share of the examples that look more familiar than this image, each
    scored without itself; at least 0.95 for an unknown image.
    """

    scores: Doubles
    familiarity: Doubles
    unknown: Flags
    novelty: Doubles

    @property
    def shares(self) -> Doubles:
        """float64 (N, C): the scores; for an unknown image, what its novelty leaves of them."""
        left: Doubles = np.where(self.unknown, 1 - self.novelty, 1.0)
        return left[:, None] * self.scores


class Scorer:
    """Scores images against the examples; immutable, so any number of threads may use it."""

    def __init__(self, examples: Examples, process: GaussianProcess) -> None:
        self._process = process
        self._classes = examples.classes
        counts = examples.counts()
        # The targets of small classes are larger, since they have fewer examples. Otherwise hardly
        # any image would be assigned to them.
        class_weights = np.sqrt(counts.mean() / counts)
        targets: Doubles = np.diag(class_weights)[examples.classes] - 1 / len(counts)
        self._weights = process.inverse @ targets
        # An example is scored without its own rows.
        others = np.where(examples.images[:, None] == examples.images, -np.inf, process.cosines)
        single = counts[examples.classes] < 2
        squared, _ = self._nearest(others, examples.classes)
        mean = _mean(squared)
        mean[single] = mean[~single].mean() if not single.all() else _TYPICAL
        self._typical = np.maximum(mean, _LEAST)
        scored = np.flatnonzero(~examples.mirrored & ~single)
        groups = _with_mirror_images(examples, scored)
        predicted, spread = process.left_out(groups, targets, self._weights)
        distance = self._relative_distance(others[scored], predicted)
        self._known = np.sort(_margin(predicted) / spread - distance)
        self._sharpness = _sharpness(predicted, examples.classes[scored])
        if len(scored) < ENOUGH:
            self._threshold = THRESHOLD
        else:
            self._threshold = float(np.quantile(self._known, REJECTED))

    def ask(self, descriptions: Floats) -> Answers:
        """Scores images by their descriptions (N, LENGTH)."""
        cosines = self._process.cosines_to(descriptions)
        kernels = kernel(cosines)
        predicted = times(kernels, self._weights.T)
        spread = self._process.spread(kernels)
        familiarity = _margin(predicted) / spread - self._relative_distance(cosines, predicted)
        unknown = familiarity < self._threshold
        above = len(self._known) - np.searchsorted(self._known, familiarity, "right")
        share = above / (len(self._known) + 1)
        return Answers(
            _softmax(self._sharpness * predicted),
            familiarity,
            unknown,
            np.where(unknown, np.maximum(share, 1 - REJECTED), share),
        )

    def leanings(self, descriptions: Floats) -> Doubles:
        """(N, C): how much speaks for each class, the logarithm of its odds against the average of
        the others. A class alone has no others: there it is how well the examples explain an image.
        """
        kernels = kernel(self._process.cosines_to(descriptions))
        classes = self._weights.shape[1]
        if classes == 1:
            return -self._process.spread(kernels)[:, None]
        predicted = times(kernels, self._weights.T)
        rest = (predicted.sum(axis=1, keepdims=True) - predicted) / (classes - 1)
        leanings: Doubles = self._sharpness * (predicted - rest)
        return leanings

    def _nearest(self, cosines: Doubles, classes: Indices) -> tuple[Doubles, npt.NDArray[np.intp]]:
        """For each image: squared distances to the nearest rows of its class (infinite where the
        class has too few rows) and the indices of those rows."""
        inside = np.where(self._classes == classes[:, None], cosines, -np.inf)
        few = min(_NEIGHBORS, inside.shape[1])
        rows = np.argpartition(-inside, few - 1, axis=1)[:, :few]
        return 2 - 2 * np.take_along_axis(inside, rows, axis=1), rows

    def _relative_distance(self, cosines: Doubles, predicted: Doubles) -> Doubles:
        """The logarithm of the distance to the best class, relative to distances within it."""
        squared, rows = self._nearest(cosines, predicted.argmax(axis=1).astype(np.int32))
        typical = np.where(np.isfinite(squared), self._typical[rows], np.inf)
        ratio = np.maximum(_mean(squared), _LEAST / 10) / np.maximum(_mean(typical), _LEAST)
        logarithm: Doubles = np.log(ratio)
        return logarithm


def mirror_images_agree(examples: Examples, process: GaussianProcess) -> bool:
    """Whether mirror images look most like images of their own class. They do for people and
    things, but not for pointing hands. With a single class there is nothing to compare."""
    if len(set(examples.classes.tolist())) < 2:
        return True
    cosines = process.cosines[np.ix_(examples.mirrored, ~examples.mirrored)]
    classes = examples.classes[~examples.mirrored]
    same = examples.classes[examples.mirrored][:, None] == classes
    own = np.where(same, cosines, -1).max(axis=1)
    other = np.where(same, -1, cosines).max(axis=1)
    # Lenient by one standard error, so that a few images do not decide.
    return bool((own > other).mean() + 0.5 / np.sqrt(len(own)) > _AGREEMENT)


def _with_mirror_images(examples: Examples, scored: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The rows of each image: its own row and, if there is one, the row of its mirror image."""
    mirrored = np.flatnonzero(examples.mirrored)
    if not len(mirrored):
        return scored[:, None]
    mirrored = mirrored[np.argsort(examples.images[mirrored])]
    places = np.searchsorted(examples.images[mirrored], examples.images[scored])
    return np.stack([scored, mirrored[places]], axis=1)


def _sharpness(predicted: Doubles, classes: Indices) -> float:
    """The factor of the softmax that fits the predictions for known classes best."""
    own = np.arange(len(classes)), classes
    logs = [
        np.log(np.maximum(_softmax(factor * predicted)[own], 1e-12)).sum()
        for factor in _SHARPNESSES
    ]
    pull = _PULL * np.log(_SHARPNESSES / _SHARPNESS) ** 2
    return float(_SHARPNESSES[np.argmax(np.array(logs) - pull)])


def _mean(values: Doubles) -> Doubles:
    """The mean of the finite values of each row; 0 if there are none."""
    there = np.isfinite(values)
    mean: Doubles = np.where(there, values, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return mean


def _margin(predicted: Doubles) -> Doubles:
    """The difference between the best and second best value of each row; 0 for a single class."""
    if predicted.shape[1] == 1:
        return np.zeros(len(predicted))
    best = np.partition(predicted, -2, axis=1)
    margin: Doubles = best[:, -1] - best[:, -2]
    return margin


def _softmax(values: Doubles) -> Doubles:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    shares: Doubles = powers / powers.sum(axis=1, keepdims=True)
    return shares
