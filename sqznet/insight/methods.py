"""The methods of every classifier that show where in a photo a class is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqznet.errors import checked_count
from sqznet.images.callers import PLAIN, Reading, reading

if TYPE_CHECKING:
    from sqznet.answers import Box
    from sqznet.insight.heatmap import Evidence, HeatMap


class Explainable(Protocol):
    """A classifier that can say what each place of a photo adds to a class."""

    def evidence(self, image: Any, how: Reading = PLAIN) -> Evidence:
        """What it sees in one photo. Raises ImageError, and SqznetError if there are no classes."""
        ...


class Explaining:
    """The base of a `Model` and a `Recognizer`: heat maps and boxes."""

    def heatmap(
        self: Explainable,
        image: Any,
        label: str | int | None = None,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> HeatMap:
        """Shows where in a photo a class is: a float32 array (H, W) of the upright photo's size.

        1 is the place that adds most to the class; 0 is a place that adds nothing or that was
        cropped away. ``label``: the name or index of a class; default: the most likely one. A
        notebook displays the array as heat over the photo. ``image`` and the options: as for
        ``classify``.
        Raises ImageError, and SqznetError for an unknown label.
        """
        evidence = self.evidence(image, reading(False, channels, allow_urls))
        return evidence.heatmap(evidence.index(label))

    def localize(
        self: Explainable,
        image: Any,
        top: int = 1,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> list[Box]:
        """A box (x0, y0, x1, y1, label, score) for each of the ``top`` most likely classes, best
        first, in pixels of the upright photo.

        A box encloses the largest connected part of the heat map with values of at least 0.15; a
        class without such a part has no box. ``image`` and the options: as for ``classify``. Raises
        ImageError.
        """
        count = checked_count("top", top)
        evidence = self.evidence(image, reading(False, channels, allow_urls))
        found = [evidence.box(index) for index in evidence.ranking[:count]]
        return [box for box in found if box is not None]
