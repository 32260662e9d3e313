"""The photos that `classify --draw FOLDER` and `detect --draw FOLDER` annotate, and the names of
files that belong to photos."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from sqznet.cli import picture
from sqznet.errors import SqznetError, printable, reason_of
from sqznet.files.paths import expanded
from sqznet.images.decoding import decode

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from sqznet.images.finding import Found

    #: Draws the answers for a photo, uint8 (H, W, 3), into it.
    Draw: TypeAlias = Callable[[npt.NDArray[np.uint8], Any], Image.Image]


class Beside:
    """A folder with a file for each photo, in the sub-folders that the photos have below the folder
    that holds all of them.

    ``named``: makes the name of the file of that of the photo. ``kind``: what messages call it.
    Raises SqznetError if a file would replace a photo or that of another photo.
    """

    def __init__(
        self, folder: str, found: Sequence[Found], named: Callable[[str], str], kind: str
    ) -> None:
        self._folder, self._named = expanded(folder), named
        photos = [os.path.abspath(photo.path) for photo in found if photo.error is None]
        self._root = _common(photos)
        # What a file would replace: a photo, or another one's file.
        taken = {os.path.realpath(photo): photo for photo in photos}
        for photo in dict.fromkeys(photos):
            target = os.path.realpath(self.target(photo))
            if target in taken:
                one, other = (printable(os.path.basename(path)) for path in (photo, taken[target]))
                raise SqznetError(
                    f"{printable(folder)}: the {kind} of {one} would replace {other}, expected "
                    "another folder"
                    if target == os.path.realpath(taken[target])
                    else f"{printable(folder)}: {one} and {other} would have the same {kind}"
                )
            taken[target] = photo

    def target(self, photo: str) -> str:
        """The path of the file of a photo."""
        photo = os.path.abspath(photo)
        try:
            name = os.path.relpath(photo, self._root)
        except ValueError:  # photos on several drives
            name = os.path.basename(photo)
        return os.path.join(self._folder, self._named(name))

    def made(self, photo: str) -> str:
        """The same, after making the folder that it is in.

        Raises SqznetError if that cannot be created.
        """
        target = self.target(photo)
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
        except OSError as error:
            name = printable(os.path.dirname(target))
            raise SqznetError(f"{name}: cannot be created: {reason_of(error)}") from None
        return target


class Drawings:
    """Writes annotated photos into a folder, under the names that they have; see `Beside`.

    A photo whose suffix is not one of `picture.ENDINGS` becomes a JPEG with ".jpg" behind its name.
    Raises SqznetError if a drawing would replace a photo, and if this Pillow cannot draw text.
    """

    def __init__(self, folder: str, found: Sequence[Found], draw: Draw) -> None:
        from sqznet.insight.painting import face

        face("a", 9)
        self._draw = draw
        self._no_files = {photo.path: photo for photo in found if photo.content is not None}
        self._places = Beside(folder, found, _drawing_name, "drawing")

    def add(self, path: str, answers: Any) -> None:
        """Draws one photo. Raises SqznetError, naming the drawing, if it cannot be written."""
        from sqznet.images.frame import Frame

        image = self._no_files[path].image if path in self._no_files else path
        drawn = self._draw(Frame.of(decode(image)).to_rgb(), answers)
        picture.write(drawn, self._places.made(path))


def _drawing_name(name: str) -> str:
    return name if picture.has_suffix(name) else f"{name}.jpg"


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
