#!/usr/bin/env python3
"""Finds the scales and biases with which the bundled networks are computed in 8-bit integers.

    python tools/make_bundled_integers.py PHOTO...     # files, folders or patterns
    python tools/make_bundled_integers.py --detector PHOTO...

Needs the installed package. Writes tools/bundled_integers.json, or for the detector
tools/bundled_detector_integers.json, which tools/make_bundled_weights.py and
tools/make_bundled_detector.py put into the metadata of the weights. Like `sqznet quantize
--keep-weights`, but all photos are used, and none is kept apart: `python -m benchmarks.quantized`
and `python -m benchmarks.detection_accuracy` measure what the integers cost. The same photos give
the same file on the same machine. Those of the classifier come from 250 photos of as many classes
of ImageNet, those of the detector from 120 photos that it was trained on, evenly spread.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import sqznet
from sqznet.calibration import quantizing
from sqznet.images.finding import expand
from sqznet.quantization.description import to_json

CLASSIFIER, DETECTOR = (
    Path(__file__).with_name(f"bundled_{name}.json") for name in ("integers", "detector_integers")
)


def main(arguments: list[str]) -> int:
    photos = [argument for argument in arguments if argument != "--detector"]
    model: Any = sqznet.load(precision="float32")
    target = CLASSIFIER
    if photos != arguments:
        model, target = sqznet.load_detector(precision="float32"), DETECTOR
    found = [photo.path for photo in expand(photos) if photo.error is None]
    levels = [quantizing.gray_levels(model, path) for path in found]
    tensors = quantizing.float_tensors(model.checkpoint)
    integers = quantizing.calibrated(model, tensors, levels, keep_weights=True).integers
    text = json.dumps(to_json(integers), indent=1, sort_keys=True)
    target.write_text(f"{text}\n", encoding="ascii")
    print(f"{target}: from {len(levels)} photos")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
