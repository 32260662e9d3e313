"""Measures the accuracy of a detector on photos with known boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqznet.batch.photos import answered
from sqznet.detection.matching import AREAS, MOST, OVERLAPS, Matches, TrueBox, matched
from sqznet.detection.precision import Ranking, mean, rankings
from sqznet.errors import SqznetError, printable
from sqznet.insight.class_names import class_names

if TYPE_CHECKING:
    from sqznet.boxes import Detection
    from sqznet.detection.detector import Detector
    from sqznet.detection.true_photo import TruePhoto

#: The scores for which precision and recall are given.
THRESHOLDS = (0.25, 0.35, 0.5)
#: The lowest score that counts for average precision: below it there is next to nothing right.
LEAST_SCORE = 0.01


class Counts(NamedTuple):
    """The detections with at least a score ``threshold``: how many they are, and how many right, of
    so many things; at an overlap of 0.5."""

    threshold: float
    detections: int
    right: int
    things: int

    @property
    def precision(self) -> float | None:
        """The part of the detections that is right: 0..1; None if there are none."""
        return self.right / self.detections if self.detections else None

    @property
    def recall(self) -> float | None:
        """The part of the things that is found: 0..1; None if there are none."""
        return self.right / self.things if self.things else None


class ClassAccuracy(NamedTuple):
    """Of one class: ``things``, how many had to be found; ``ap``, COCO's average precision, the
    mean over overlaps of 0.5 to 0.95; ``ap50`` and ``ap75``, that at overlaps of 0.5 and 0.75;
    ``ap50_area``, the area below the curve at 0.5, as Pascal VOC has it. None without things."""

    label: str
    things: int
    ap: float | None
    ap50: float | None
    ap75: float | None
    ap50_area: float | None


@dataclass(frozen=True)
class DetectionEvaluation:
    """What a detector found on photos with known boxes.

    ``rankings``: for each range of areas in `matching.AREAS` and each class, the detections for
    each overlap of `matching.OVERLAPS`. ``photos``, ``unreadable``: how many were read, and how
    many could not be. ``left_out``: how many boxes there are of each class that the detector does
    not know.
    """

    rankings: dict[str, dict[str, list[Ranking]]]
    photos: int
    unreadable: int
    left_out: dict[str, int]

    def __repr__(self) -> str:
        return (
            f"<sqznet.DetectionEvaluation {self.photos} photos, AP {_shown(self.ap)}, "
            f"AP50 {_shown(self.ap50)}>"
        )

    def ranking(self, label: str, overlap: float = 0.5) -> Ranking:
        """The detections of a class, best first, at one of `matching.OVERLAPS`."""
        return self.rankings["all"][label][OVERLAPS.index(overlap)]

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of the detector."""
        return tuple(self.rankings["all"])

    @property
    def ap(self) -> float | None:
        """COCO's AP: the mean over classes and overlaps of 0.5 to 0.95; None without things."""
        return self.ap_of("all")

    @property
    def ap50(self) -> float | None:
        """COCO's AP50: at an overlap of 0.5."""
        return mean([row.ap50 for row in self.figures()])

    @property
    def ap75(self) -> float | None:
        """COCO's AP75: at an overlap of 0.75."""
        return mean([row.ap75 for row in self.figures()])

    @property
    def ap50_area(self) -> float | None:
        """Pascal VOC's mean AP: the areas below the curves, at an overlap of 0.5."""
        return mean([row.ap50_area for row in self.figures()])

    def ap_of(self, area: str) -> float | None:
        """COCO's AP of the things of a size: "small" (up to 32 x 32 pixels), "medium", "large"
        (from 96 x 96) or "all"."""
        each = self.rankings[area].values()
        return mean([mean([ranking.average() for ranking in ranks]) for ranks in each])

    def figures(self) -> list[ClassAccuracy]:
        """A row for each class of the detector; `pandas.DataFrame` takes the list."""
        return [
            ClassAccuracy(
                label,
                ranks[0].things,
                mean([ranking.average() for ranking in ranks]),
                ranks[0].average(),
                ranks[OVERLAPS.index(0.75)].average(),
                ranks[0].area(),
            )
            for label, ranks in self.rankings["all"].items()
        ]

    def counts(self, threshold: float, label: str | None = None) -> Counts:
        """What a caller of ``detect`` with this threshold gets; of one class or of all."""
        labels = self.labels if label is None else (label,)
        ranks = [self.ranking(name) for name in labels]
        found = [ranking.at(threshold) for ranking in ranks]
        right = sum(right for _, right in found)
        things = sum(ranking.things for ranking in ranks)
        return Counts(threshold, sum(count for count, _ in found), right, things)

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain lists, dicts, strings and numbers, as in JSON."""

        def counted(label: str | None = None) -> list[dict[str, Any]]:
            made = [self.counts(threshold, label) for threshold in THRESHOLDS]
            return [
                {**row._asdict(), "precision": row.precision, "recall": row.recall} for row in made
            ]

        return {
            "photos": self.photos,
            "unreadable": self.unreadable,
            "ap": self.ap,
            "ap50": self.ap50,
            "ap75": self.ap75,
            "ap50_area": self.ap50_area,
            **{f"ap_{area}": self.ap_of(area) for area in AREAS if area != "all"},
            "thresholds": counted(),
            "classes": [
                {**row._asdict(), "thresholds": counted(row.label)} for row in self.figures()
            ],
            "left_out": self.left_out,
        }


class Detected(NamedTuple):
    """A photo, its true boxes in pixels, and what a detector found; or the error why nothing."""

    path: str
    true: Sequence[TrueBox]
    found: Sequence[Detection]
    error: SqznetError | None


def evaluate(
    detector: Detector, photos: Iterable[TruePhoto], seen: Callable[[Detected], None]
) -> DetectionEvaluation:
    """Detects on photos with known boxes. ``seen`` is called with each photo as it is done.

    A box's class is a label of the detector, also in other letters. Photos without boxes count:
    what is found there is wrong. Raises SqznetError if the detector knows none of the classes.
    """
    photos = list(photos)
    names = class_names(detector.labels, {box.label for photo in photos for box in photo.boxes})
    if not any(names.values()):
        few = ", ".join(printable(label) for label in sorted(names)[:3])
        found = f"found {few}" if few else "found no boxes"
        raise SqznetError(
            f"no box is of a class that the detector knows: {found}, expected some of "
            f"{', '.join(map(printable, detector.labels))}"
        )
    matches: dict[str, dict[str, list[Matches]]] = {
        area: {label: [] for label in detector.labels} for area in AREAS
    }
    left_out: dict[str, int] = {}
    for photo in photos:
        for box in photo.boxes:
            if names[box.label] is None:
                left_out[box.label] = left_out.get(box.label, 0) + 1
    read = unreadable = 0
    with closing(answered(detector, (photo.found for photo in photos), _answer)) as answers:
        for photo, (path, answer) in zip(photos, answers, strict=True):
            if isinstance(answer, SqznetError):
                unreadable += 1
                seen(Detected(path, (), (), answer))
                continue
            read += 1
            (height, width), detections = answer
            true = [
                box._replace(label=name)
                for box in photo.in_pixels(height, width)
                if (name := names[box.label]) is not None
            ]
            seen(Detected(path, true, detections, None))
            for area, classes in matches.items():
                for label, made in classes.items():
                    own = [box for box in true if box.label == label]
                    found_here = [d for d in detections if d.label == label]
                    if own or found_here:
                        made.append(matched(found_here, own, AREAS[area]))
    ranked = {
        area: {label: rankings(made) for label, made in classes.items()}
        for area, classes in matches.items()
    }
    return DetectionEvaluation(ranked, read, unreadable, left_out)


def _answer(detector: Any, images: Sequence[Any]) -> list[Any]:
    """For each image its (height, width) and detections, or its error."""
    from sqznet.images.decoding import decode
    from sqznet.images.frame import Frame

    made: list[Any] = []
    for image in images:
        try:
            pixels = decode(image)
            found = detector.detect(Frame.of(pixels), LEAST_SCORE, MOST)
            made.append(((pixels.height, pixels.width), found))
        except SqznetError as error:
            made.append(error)
    return made


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
