"""Describes the file of a recognizer, for `sqznet identify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.images.preprocessing import Preprocessing, preset_name
from sqznet.learning import storage
from sqznet.notebook import table
from sqznet.weights.fingerprint import fingerprint
from sqznet.weights.known import sha256
from sqznet.weights.locate import WeightsLike, locate
from sqznet.weights.reading import open_file


@dataclass(frozen=True)
class RecognizerIdentity:
    """Describes one file of `Recognizer.save`.

    path: the file. sha256: of the whole file, in hex. bytes: its size. format: "recognizer".
    images: how many images of each class it remembers, by label, in the order of the classes.
    mirror_images: whether it remembers their mirror images, too.
    backbone: the name of the weights file that it was trained on; backbone_sha256: the hash of
        those weights, see `sqznet.weights.fingerprint`; bundled: whether they are the bundled ones.
    variant, preprocessing: of that network; preset: the name of the preprocessing, or None.
    """

    path: str
    sha256: str
    bytes: int
    format: str
    images: Mapping[str, int]
    mirror_images: bool
    backbone: str
    backbone_sha256: str
    bundled: bool
    variant: str
    preprocessing: Preprocessing
    preset: str | None

    @property
    def classes(self) -> int:
        return len(self.images)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, strings and numbers, as in JSON."""
        return {
            **asdict(replace(self, images=dict(self.images))),
            "classes": self.classes,
            "preprocessing": self.preprocessing.to_dict(),
        }

    def _repr_html_(self) -> str:
        return table(self.to_dict().items(), ("", "found"))


def identify(source: WeightsLike) -> RecognizerIdentity:
    """Describes a recognizer; the network that it was trained on is not needed. Raises WeightsError
    as `Recognizer.load` does."""
    file = open_file(locate(source))
    try:
        examples, _, backbone = storage.decode(file.view)
    except WeightsError as error:
        raise WeightsError(f"{file.name}: {error}") from None
    return RecognizerIdentity(
        path=file.name,
        sha256=sha256(file.view),
        bytes=file.view.nbytes,
        format="recognizer",
        images=dict(zip(examples.labels, examples.counts().tolist(), strict=True)),
        mirror_images=bool(examples.mirrored.any()),
        backbone=backbone.file,
        backbone_sha256=backbone.sha256,
        bundled=backbone.sha256 == fingerprint(weights.bundled()),
        variant=backbone.variant,
        preprocessing=backbone.preprocessing,
        preset=preset_name(backbone.preprocessing),
    )
