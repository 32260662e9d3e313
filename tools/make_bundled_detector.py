#!/usr/bin/env python3
"""Makes sqznet/data/squeezenet1_1_detector.safetensors, the bundled detector.

    python tools/make_bundled_detector.py FOLDER            # writes the file
    python tools/make_bundled_detector.py FOLDER --check    # compares it with the existing file
    python tools/make_bundled_detector.py FOLDER --float32 FILE   # the weights as trained

FOLDER holds detector.safetensors, the trained weights in float32, which are accepted only with the
SHA-256 below, and detector.json, which says how they are used. They are not part of the project;
NOTICE says where they come from. The output is the same bytes every time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from make_bundled_integers import DETECTOR as INTEGERS
from make_bundled_weights import DATA, compact, serialize, to_half, verified

from sqznet import weights
from sqznet.network.detector import POOL, Design, Level
from sqznet.weights.detectors import to_json

SHA256 = "6720655eced3c6a2594a932e6c9a4a515436928e8f262f349c61e867c2c81e7c"
SIZE = 256

DESIGN = Design(
    levels=(
        Level("features.7", (), "head.lateral3", 8, 7.5),
        Level("features.12", (), "head.lateral4", 16, 15.5),
        Level("features.12", (POOL, "head.fire10", "head.fire11"), "head.lateral5", 32, 31.5),
    ),
    shared=("head.fire1", "head.fire2"),
    classes="head.cls",
    sides="head.box",
)

PROVENANCE = {
    "weights": "trained for sqznet: SqueezeNet 1.1, trained further, with a head of its own",
    "training_data": "photos with the names of PASCAL VOC 2012 in a copy of Animal-Pose (3,605), "
    "photos of Animal-Pose from the web (1,000), COCO128 and samples of COCO's validation photos "
    "(310), Leeds Sports Pose (2,046), a set of pedestrians (330); research data under mixed "
    "terms, see NOTICE",
    "conversion": "float32 to float16 by tools/make_bundled_detector.py",
}


def metadata(stated: dict[str, Any]) -> dict[str, str]:
    """The entries of the file. Raises SystemExit if detector.json describes another design."""
    nms, read = stated["nms"], stated["input"]
    expected = (DESIGN.iou, DESIGN.candidates, DESIGN.most, True)
    if (nms["iou"], nms["pre"], nms["max"], nms["per_class"]) != expected:
        raise SystemExit(f"detector.json: nms is {nms}, expected {expected}")
    return {
        "variant": "squeezenet1_1",
        "preprocessing": compact(
            {
                "size": [SIZE, SIZE],
                "fit": "squash",
                "channel_order": read["channels"].lower(),
                "mean": read["mean"],
                "std": [1.0, 1.0, 1.0],
                "rounding": "nearest",
            }
        ),
        "labels": compact(stated["classes"]),
        "detector": compact(to_json(DESIGN)),
        "provenance": compact({**PROVENANCE, "file_sha256": SHA256}),
        "integers": compact(json.loads(INTEGERS.read_text(encoding="ascii"))),
    }


def tensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The float32 tensors of a safetensors file by name."""
    content = verified(path.read_bytes(), SHA256, str(path))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(content[8 + length + begin : 8 + length + end], "<f4")
        found[name] = values.reshape(entry["shape"])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--float32", type=Path, metavar="FILE", help="write only this file")
    options = parser.parse_args()

    entries = metadata(json.loads((options.folder / "detector.json").read_text(encoding="utf-8")))
    trained = tensors(options.folder / "detector.safetensors")
    if options.float32:
        options.float32.write_bytes(serialize(trained, entries, "F32"))
        return 0
    halves = {name: to_half(values, name) for name, values in trained.items()}
    content = serialize(halves, entries)
    path = DATA / Path(weights.DETECTOR_PATH).name
    if options.check and (not path.is_file() or path.read_bytes() != content):
        print(f"{path} differs")
        return 1
    if not options.check:
        path.write_bytes(content)
    print(f"{path}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
