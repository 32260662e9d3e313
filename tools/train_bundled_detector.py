#!/usr/bin/env python3
"""Trains the bundled detector again, from the photos that it was trained with.

    python tools/train_bundled_detector.py FOLDER -o detector.safetensors

FOLDER holds photos.bin and photos.npz, the photos with their boxes; they are not part of the
project, NOTICE says where they come from. The training begins with the bundled classifier, whose
trunk gets a new head, and ends after nine minutes, with the time to read the photos. That is meant
for a GPU; `--minutes` and `--photos` make a shorter run of it. It prints the average precision on
the photos that are held out; `python -m benchmarks.detection_accuracy --detector
detector.safetensors` prints the tables of docs/detection.md for the result.

`--from squeezenet1_1_detector` trains the bundled detector further instead.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import sqznet
from sqznet.cli.main import main as command

#: Pascal VOC's numbers of the classes, in the order of the detector's.
CLASSES = {"person": 14, "cat": 7, "dog": 11, "horse": 12, "cow": 9, "sheep": 16}

#: In photos.npz: the photos all of whose things have a box. On the others some people have none.
COMPLETE = 0


def unpack(source: Path, target: Path, most: int | None) -> None:
    """Writes the photos as files, and train.json and val.json, COCO's annotations of them.

    ``most``: how many photos to train with, evenly spread over all; None for all.
    """
    with np.load(source / "photos.npz") as stored:
        known = dict(stored)
    content = np.memmap(source / "photos.bin", mode="r")
    held_out = known["split"] == 1
    training = np.flatnonzero(~held_out)
    if most is not None:
        training = training[np.linspace(0, len(training) - 1, min(most, len(training))).astype(int)]
    judging = np.flatnonzero(held_out & (known["mask"] == COMPLETE))
    for name, photos in (("train", training), ("val", judging)):
        images: list[dict[str, Any]] = []
        boxes: list[dict[str, Any]] = []
        for photo in photos.tolist():
            start, end = known["off"][photo : photo + 2].tolist()
            jpeg = content[start:end].tobytes()
            (target / f"{photo}.jpg").write_bytes(jpeg)
            width, height = Image.open(io.BytesIO(jpeg)).size
            row = {"id": photo, "file_name": f"{photo}.jpg", "width": width, "height": height}
            if known["mask"][photo] != COMPLETE:
                row["not_exhaustive_category_ids"] = [CLASSES["person"]]
            images.append(row)
            boxes += _boxes(known, photo, width, height)
        categories = [{"id": number, "name": label} for label, number in CLASSES.items()]
        annotations = {"images": images, "annotations": boxes, "categories": categories}
        (target / f"{name}.json").write_text(json.dumps(annotations), encoding="utf-8")


def _boxes(known: dict[str, Any], photo: int, width: int, height: int) -> list[dict[str, Any]]:
    end = int(known["nbox"][: photo + 1].sum())
    rows = known["boxes"][end - int(known["nbox"][photo]) : end].tolist()
    return [
        {
            "image_id": photo,
            "category_id": int(number),
            "bbox": [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height],
            "iscrowd": int(difficult),  # it may be missed
        }
        for x0, y0, x1, y1, number, difficult in rows
        if number in CLASSES.values()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code of ``sqznet train-detector``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("-o", "--output", required=True, metavar="FILE")
    parser.add_argument("--minutes", default="9", metavar="M", help="(default: 9)")
    parser.add_argument(
        "--photos", type=int, metavar="N", help="train with N photos (default: all)"
    )
    parser.add_argument("--size", default="256", metavar="S", help="(default: 256)")
    parser.add_argument("--device", default="auto", metavar="NAME", help="(default: auto)")
    parser.add_argument("--from", dest="begin", default="squeezenet1_1", metavar="WEIGHTS")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sqznet-") as folder:
        place = Path(folder)
        unpack(options.folder, place, options.photos)
        words = ["train-detector", str(place / "train.json"), "--val", str(place / "val.json")]
        words += ["-o", options.output, "--classes", ",".join(CLASSES), "--size", options.size]
        words += ["--minutes", options.minutes, "--device", options.device, "--from", options.begin]
        return command(words)


if __name__ == "__main__":
    print(f"sqznet {sqznet.__version__}", flush=True)
    raise SystemExit(main())
