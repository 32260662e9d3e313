"""Answers with scores that mean something, and "unknown" for what was never shown.

A class's prediction is that of the Gaussian process for targets of 1 and 0, less their mean; a
softmax over the predictions, sharpened by one factor, gives the scores. The factor makes the
examples, each left out in turn, likeliest (Guo et al., "On Calibration of Modern Neural Networks",
arXiv:1706.04599: temperature scaling).

How familiar an image looks is the margin between the best two predictions, in standard deviations,
less the logarithm of how many times farther off the best class's nearest examples are than they
are from one another (that ratio: the local outlier factor, Breunig et al., SIGMOD 2000). Images
that look less familiar than nearly all examples did, each left out in turn, are unknown; that the
share of known images taken for unknown is then the one asked for is conformal prediction's
argument (Vovk, Gammerman and Shafer, 2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sqznet.learning.examples import Examples, Flags, Floats, Indices
from sqznet.learning.gaussian_process import Doubles, Process, kernel, times

#: The share of known images that may be called unknown.
REJECTED = 0.05

#: With fewer pictures whose class has another one, the threshold is THRESHOLD.
ENOUGH = 10
THRESHOLD = -0.2

# How many of a class's rows say how near an image is to it.
_NEIGHBOURS = 3

# Squared distances between pictures of one class: while no class has two; and the least that is
# believed, for somebody may have shown the same picture twice.
_USUAL, _LEAST = 0.2, 0.05

# The softmax's factor, and how strongly it is drawn to the first of these without much evidence.
_SHARPNESS, _PULL = 15.0, 4.0
_SHARPNESSES = np.geomspace(1.0, 100.0, 36)

# Mirror images help to learn where this share of them looks most like their own class.
_AGREEMENT = 0.8


@dataclass(frozen=True)
class Answers:
    """What N images show, of C classes.

    scores: float64 (N, C), how likely each class is if it is one of them; rows of sum one.
    familiarity: float64 (N,), low for what was never shown; only its order means anything.
    unknown: bool (N,), which images look like nothing that was shown.
    strangeness: float64 (N,), the share of the examples that looked more familiar than this image,
    each left out in turn; of an unknown image at least 0.95.
    """

    scores: Doubles
    familiarity: Doubles
    unknown: Flags
    strangeness: Doubles


class Judgement:
    """Examples ready to be asked; nothing in it changes, so that any number of threads may ask."""

    def __init__(self, examples: Examples, process: Process) -> None:
        self._process = process
        self._classes = examples.classes
        counts = examples.counts()
        # Classes that were shown less often speak up for each picture: else nothing is given
        # their name.
        voices = np.sqrt(counts.mean() / counts)
        targets: Doubles = np.diag(voices)[examples.classes] - 1 / len(counts)
        self._weights = process.inverse @ targets
        # An image that is left out sees all but its own rows.
        others = np.where(examples.images[:, None] == examples.images, -np.inf, process.likeness)
        lone = counts[examples.classes] < 2
        usual, _ = self._nearest(others, examples.classes)
        mean = _mean(usual)
        mean[lone] = mean[~lone].mean() if not lone.all() else _USUAL
        self._usual = np.maximum(mean, _LEAST)
        judged = np.flatnonzero(~examples.mirrored & ~lone)
        groups = _with_mirror_images(examples, judged)
        predicted, spread = process.left_out(groups, targets, self._weights)
        remoteness = self._remoteness(others[judged], predicted)
        self._known = np.sort(_margin(predicted) / spread - remoteness)
        self._sharpness = _sharpness(predicted, examples.classes[judged])
        if len(judged) < ENOUGH:
            self._threshold = THRESHOLD
        else:
            self._threshold = float(np.quantile(self._known, REJECTED))

    def ask(self, descriptions: Floats) -> Answers:
        """What images of these descriptions (N, LENGTH) show."""
        likeness = self._process.likeness_to(descriptions)
        near = kernel(likeness)
        predicted = times(near, self._weights.T)
        spread = self._process.spread(near)
        familiarity = _margin(predicted) / spread - self._remoteness(likeness, predicted)
        unknown = familiarity < self._threshold
        above = len(self._known) - np.searchsorted(self._known, familiarity, "right")
        share = above / (len(self._known) + 1)
        return Answers(
            _softmax(self._sharpness * predicted),
            familiarity,
            unknown,
            np.where(unknown, np.maximum(share, 1 - REJECTED), share),
        )

    def _nearest(self, likeness: Doubles, classes: Indices) -> tuple[Doubles, npt.NDArray[np.intp]]:
        """Of each image: squared distances to the nearest rows of its class, infinite where there
        are not as many, and those rows' indices."""
        inside = np.where(self._classes == classes[:, None], likeness, -np.inf)
        few = min(_NEIGHBOURS, inside.shape[1])
        rows = np.argpartition(-inside, few - 1, axis=1)[:, :few]
        return 2 - 2 * np.take_along_axis(inside, rows, axis=1), rows

    def _remoteness(self, likeness: Doubles, predicted: Doubles) -> Doubles:
        """The logarithm of how many times farther off the best class is than is usual in it."""
        squared, rows = self._nearest(likeness, predicted.argmax(axis=1).astype(np.int32))
        usual = np.where(np.isfinite(squared), self._usual[rows], np.inf)
        ratio = np.maximum(_mean(squared), _LEAST / 10) / np.maximum(_mean(usual), _LEAST)
        logarithm: Doubles = np.log(ratio)
        return logarithm


def mirror_images_agree(examples: Examples, process: Process) -> bool:
    """Whether mirror images look most like pictures of their own class, as people and things do
    and pointing hands do not. With one class there is nothing to tell from."""
    if len(set(examples.classes.tolist())) < 2:
        return True
    likeness = process.likeness[np.ix_(examples.mirrored, ~examples.mirrored)]
    classes = examples.classes[~examples.mirrored]
    same = examples.classes[examples.mirrored][:, None] == classes
    own = np.where(same, likeness, -1).max(axis=1)
    other = np.where(same, -1, likeness).max(axis=1)
    # One standard error of leniency, so that a few pictures do not decide.
    return bool((own > other).mean() + 0.5 / np.sqrt(len(own)) > _AGREEMENT)


def _with_mirror_images(examples: Examples, judged: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The rows of each picture: its own and, where there are any, that of its mirror image."""
    mirrored = np.flatnonzero(examples.mirrored)
    if not len(mirrored):
        return judged[:, None]
    mirrored = mirrored[np.argsort(examples.images[mirrored])]
    places = np.searchsorted(examples.images[mirrored], examples.images[judged])
    return np.stack([judged, mirrored[places]], axis=1)


def _sharpness(predicted: Doubles, classes: Indices) -> float:
    """The softmax's factor that suits predictions of known classes best."""
    own = np.arange(len(classes)), classes
    logs = [
        np.log(np.maximum(_softmax(factor * predicted)[own], 1e-12)).sum()
        for factor in _SHARPNESSES
    ]
    pull = _PULL * np.log(_SHARPNESSES / _SHARPNESS) ** 2
    return float(_SHARPNESSES[np.argmax(np.array(logs) - pull)])


def _mean(values: Doubles) -> Doubles:
    """Of each row's finite values; 0 where there is none."""
    there = np.isfinite(values)
    mean: Doubles = np.where(there, values, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return mean


def _margin(predicted: Doubles) -> Doubles:
    """How far each row's best is above its second best; 0 if there is one class alone."""
    if predicted.shape[1] == 1:
        return np.zeros(len(predicted))
    best = np.partition(predicted, -2, axis=1)
    margin: Doubles = best[:, -1] - best[:, -2]
    return margin


def _softmax(values: Doubles) -> Doubles:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    shares: Doubles = powers / powers.sum(axis=1, keepdims=True)
    return shares
