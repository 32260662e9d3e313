"""Damage to the files beside the weights: class names and photos."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from sqznet.errors import ImageError, WeightsError
from sqznet.images import decoding
from sqznet.weights import labels

from ..support.weights_refusal import check_message, limited
from .damage import Edit, damaged, edits
from .harness import every_length, fuzz

NAMES = ("tench, Tinca tinca", "goldfish", "Größe", "hen")
LISTS: Mapping[str, bytes] = {
    "text": "\n".join(NAMES).encode(),
    "synsets": "".join(f"n0144076{i} {name}\n" for i, name in enumerate(NAMES)).encode(),
    "list": json.dumps(NAMES).encode(),
    "object": json.dumps({str(i): [f"n{i}", name] for i, name in enumerate(NAMES)}).encode(),
}


@every_length
@pytest.mark.parametrize("content", LISTS.values(), ids=LISTS)
def test_labels(tmp_path: Path, content: bytes, examples: int) -> None:
    path = tmp_path / "names"

    def read(changes: list[Edit]) -> None:
        path.write_bytes(damaged(content, changes))
        try:
            with limited():
                names = labels.read(path)
        except WeightsError as error:
            check_message(str(error))
        else:
            assert names
            assert all(isinstance(name, str) for name in names)

    fuzz(read, edits(content), examples)


def photo(kind: str, mode: str) -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((60, 40)).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@every_length
@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("GIF", "P"),
     ("BMP", "RGB"), ("WEBP", "RGB"), ("TIFF", "L")],
)  # fmt: skip
def test_photos(kind: str, mode: str, examples: int) -> None:
    content = photo(kind, mode)

    def read(changes: list[Edit]) -> None:
        try:
            with limited():
                pixels = decoding.decode(damaged(content, changes))
        except ImageError as error:
            check_message(str(error))
        else:
            size = pixels.height * pixels.width * pixels.channels
            assert memoryview(pixels.data).nbytes == size > 0

    fuzz(read, edits(content), examples)
