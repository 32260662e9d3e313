#!/usr/bin/env python3
"""Finds the scales and biases with which the bundled network is computed in 8-bit integers.

    python tools/make_bundled_integers.py PHOTO...     # files, folders or patterns

Needs the installed package. Writes tools/bundled_integers.json, which
tools/make_bundled_weights.py puts into the metadata of the weights. Like `sqznet quantize
--keep-weights`, but all photos are used, and none is kept apart: `python -m benchmarks.quantized`
measures what the integers cost. The same photos give the same file on the same machine. The
bundled ones come from 250 photos of as many classes of ImageNet.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import sqznet
from sqznet.calibration import quantizing
from sqznet.images.finding import expand
from sqznet.quantization.description import to_json

INTEGERS = Path(__file__).with_name("bundled_integers.json")


def main(photos: list[str]) -> int:
    model = sqznet.load(precision="float32")
    found = [photo.path for photo in expand(photos) if photo.error is None]
    levels = [quantizing.gray_levels(model, path) for path in found]
    tensors = quantizing.float_tensors(model.checkpoint)
    integers = quantizing.calibrated(model, tensors, levels, keep_weights=True).integers
    text = json.dumps(to_json(integers), indent=1, sort_keys=True)
    INTEGERS.write_text(f"{text}\n", encoding="ascii")
    print(f"{INTEGERS}: from {len(levels)} photos")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
