"""The annotated photos of `sqznet classify --draw FOLDER`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqznet.cli import picture
from sqznet.errors import SqznetError, printable, reason_of
from sqznet.files.paths import expanded
from sqznet.images.decoding import decode

if TYPE_CHECKING:
    from sqznet.answers import Predictions
    from sqznet.images.finding import Found


class Drawings:
    """Writes photos with their labels into a folder, under the names and in the sub-folders that
    they have below the folder that holds all of them.

    A photo whose suffix is not one of `picture.ENDINGS` becomes a JPEG with ".jpg" behind its name.
    Raises SqznetError if a drawing would replace a photo, and if this Pillow cannot draw text.
    """

    def __init__(self, folder: str, found: Sequence[Found]) -> None:
        from sqznet.insight.painting import face

        face("a", 9)
        self._folder = expanded(folder)
        self._no_files = {photo.path: photo for photo in found if photo.content is not None}
        photos = [os.path.abspath(photo.path) for photo in found if photo.error is None]
        self._root = _common(photos)
        # What a drawing would replace: a photo, or another one's drawing.
        taken = {os.path.realpath(photo): photo for photo in photos}
        for photo in dict.fromkeys(photos):
            target = os.path.realpath(self._target(photo))
            if target in taken:
                one, other = (printable(os.path.basename(path)) for path in (photo, taken[target]))
                raise SqznetError(
                    f"{printable(folder)}: the drawing of {one} would replace {other}, expected "
                    "another folder"
                    if target == os.path.realpath(taken[target])
                    else f"{printable(folder)}: {one} and {other} would have the same drawing"
                )
            taken[target] = photo

    def add(self, path: str, predictions: Predictions) -> None:
        """Draws one photo. Raises SqznetError, naming the drawing, if it cannot be written."""
        from sqznet.images.frame import Frame
        from sqznet.insight.labeling import labeled

        image = self._no_files[path].image if path in self._no_files else path
        drawn = labeled(Frame.of(decode(image)).to_rgb(), predictions, predictions.activation)
        target = self._target(os.path.abspath(path))
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
        except OSError as error:
            name = printable(os.path.dirname(target))
            raise SqznetError(f"{name}: cannot be created: {reason_of(error)}") from None
        picture.write(drawn, target)

    def _target(self, photo: str) -> str:
        try:
            name = os.path.relpath(photo, self._root)
        except ValueError:  # photos on several drives
            name = os.path.basename(photo)
        suffix = "" if picture.has_suffix(name) else ".jpg"
        return os.path.join(self._folder, f"{name}{suffix}")


def without_drawings(found: list[Found], folder: str, named: Iterable[str]) -> list[Found]:
    """The photos that are not drawings of an earlier run: those in the folder of the drawings,
    unless it was named."""
    inside = os.path.join(os.path.realpath(expanded(folder)), "")

    def is_inside(path: str) -> bool:
        return os.path.join(os.path.realpath(expanded(path)), "").startswith(inside)

    if any(map(is_inside, named)):
        return found
    return [photo for photo in found if not is_inside(photo.path)]


def _common(photos: Sequence[str]) -> str:
    try:
        return os.path.commonpath([os.path.dirname(photo) for photo in photos])
    except ValueError:  # none, or on several drives
        return os.curdir
