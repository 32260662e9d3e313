"""The report at the end of a training: a page with pictures, made without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from math import isfinite
from typing import TYPE_CHECKING, Any

from sqznet.errors import ImageError, SqznetError, path_for_messages, printable, reason_of
from sqznet.files.part_file import write_file
from sqznet.files.paths import expanded, stored_text
from sqznet.images import decoding
from sqznet.images.frame import Frame
from sqznet.insight import confusion, contact_sheet, reliability
from sqznet.insight.contact_sheet import Tile
from sqznet.training import curves
from sqznet.training.curves import History
from sqznet.training.figures import Figures, Hard, Numbers, Scores, measured, most_mixed_up
from sqznet.training.report_page import page

if TYPE_CHECKING:
    from PIL import Image


def write_report(
    folder: str | os.PathLike[str],
    history: History,
    scores: Scores,
    labels: Numbers,
    names: Sequence[str],
    photos: Sequence[str],
    about: Mapping[str, str] | None = None,
) -> str:
    """Writes index.html, its pictures and report.json into a folder, which is made if it is
    missing; files of an earlier report are replaced. Returns the path of the page.

    ``history``: a mapping for each epoch, as `sqznet.training.curves.draw` takes it. Of the
    validation photos: ``scores``: float (photos, classes), the probabilities of all classes, each
    row of which sums to 1; ``labels``: int (photos,), their classes, in 0..classes - 1; ``names``:
    the classes; ``photos``: their paths. ``about``: what the page says at its end, by name, such as
    the command.

    Raises SqznetError, naming the path, if a file cannot be written, and if this Pillow cannot draw
    text. A photo that cannot be read any more is shown without its picture.
    """
    place = expanded(folder)
    figures = measured(scores, labels, list(map(printable, names)), photos)
    notes = {name: printable(value) for name, value in (about or {}).items()}
    pictures: dict[str, Callable[[], Image.Image]] = {}
    if history:
        pictures["curves.png"] = lambda: curves.draw(history)
    if len(photos):
        pictures["confusion.png"] = lambda: confusion.draw(most_mixed_up(figures.evaluation))
        pictures["calibration.png"] = lambda: reliability.draw(figures.reliability)
        pictures["hardest.jpg"] = lambda: contact_sheet.draw(list(map(_tile, figures.hardest)))
    content = {name: _encoded(draw(), name) for name, draw in pictures.items()}
    record = {"history": _as_json(history), **_record(figures), "about": notes}
    try:
        os.makedirs(place, exist_ok=True)
        for name, data in content.items():
            write_file(os.path.join(place, name), data)
        text = json.dumps(record, indent=2) + "\n"
        write_file(os.path.join(place, "report.json"), text.encode())
        path = os.path.join(place, "index.html")
        write_file(path, page(figures, content, notes).encode())
    except OSError as error:
        raise SqznetError(
            f"{path_for_messages(place)}: the report cannot be written: {reason_of(error)}"
        ) from None
    return path


def _tile(hard: Hard) -> Tile:
    try:
        photo = Frame.of(decoding.decode(hard.path)).to_rgb()
    except ImageError:
        photo = None
    right = hard.answer == hard.label
    own = f"{100 * hard.label_score:.0f} % {hard.label}"
    answer = f"answer: {100 * hard.answer_score:.0f} % {hard.answer}"
    return Tile(photo, right, (own, "right" if right else answer, os.path.basename(hard.path)))


def _encoded(picture: Image.Image, name: str) -> bytes:
    content = BytesIO()
    picture.save(content, "JPEG" if name.endswith(".jpg") else "PNG", quality=90, optimize=True)
    return content.getvalue()


def _as_json(history: History) -> list[dict[str, float | None]]:
    """JSON has neither NaN nor infinities."""
    return [{k: v if isfinite(v) else None for k, v in row.items()} for row in history]


def _record(figures: Figures) -> dict[str, Any]:
    return {
        "validation": figures.evaluation.to_dict(),
        "accuracy_interval": figures.interval,
        "log_loss": figures.log_loss,
        "calibration_error": figures.reliability.error,
        "calibration": [row._asdict() for row in figures.reliability.bins],
        "hardest": [{**row._asdict(), "path": stored_text(row.path)} for row in figures.hardest],
    }
