#!/usr/bin/env python3
"""Makes sqznet/data/squeezenet1_1_detector.sqz, the bundled detector.

    python tools/make_bundled_detector.py FOLDER            # writes the file, in some minutes
    python tools/make_bundled_detector.py FOLDER --check    # compares it with the trained weights
    python tools/make_bundled_detector.py FOLDER --float32 FILE   # the weights as trained

FOLDER holds detector.safetensors, the trained weights in float32, which are accepted only with the
SHA-256 below; detector.json, which says how they are used; and photos.npz and photos.bin, the
photos that they were trained with. These are not part of the project; NOTICE says where they come
from. `sqznet.compress` makes integers of few bits of the weights, with some of the photos. The
output is the same bytes every time on one machine. On another, sums may be rounded differently: so
`--check` does not compare bytes, but the answers on other photos, and what the file says.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from make_bundled_weights import DATA, compact, serialize, verified

import sqznet
from sqznet import weights
from sqznet.calibration import quantizing
from sqznet.calibration.quantizing import CALIBRATED
from sqznet.compression.encoding import restated
from sqznet.compression.things import Things
from sqznet.network.detector import POOL, Design, Level
from sqznet.weights.detectors import to_json

SHA256 = "6720655eced3c6a2594a932e6c9a4a515436928e8f262f349c61e867c2c81e7c"
SIZE = 256

# Photos that the weights are rounded with, one of them and the next not; and photos that the result
# is compared with the trained weights on. None is held out.
PHOTOS, OTHERS = 400, 100

# The most bytes of the file without complete integers and with them, and the least agreement and
# the most divergence that it has.
WEIGHTS, BYTES, AGREEMENT, DIVERGENCE = 700_000, 740_000, 0.95, 0.2

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
    "conversion": "float32 to integers of few bits by tools/make_bundled_detector.py, with some of "
    "these photos",
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


def photos(folder: Path, count: int, start: int) -> list[bytes]:
    """JPEG files, evenly spread over those that the weights were trained with, from the one with
    this index on."""
    with np.load(folder / "photos.npz") as stored:
        ends, held_out = stored["off"], stored["split"] == 1
    content = np.memmap(folder / "photos.bin", mode="r")
    known = np.flatnonzero(~held_out)[start:]
    chosen = known[:: len(known) // count][:count]
    return [content[ends[i] : ends[i + 1]].tobytes() for i in chosen]


def with_integers(content: bytes, images: list[bytes]) -> bytes:
    """The compressed file with complete integers, so that int8 needs no NumPy to load it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "small.sqz")
        path.write_bytes(content)
        detector = sqznet.load_detector(path, precision="float32")
    levels = [quantizing.gray_levels(detector, image) for image in images]
    found, _ = quantizing.with_integers(detector, levels, True, lambda: None)
    assert found.integers_text is not None
    return restated(content, {**detector.checkpoint.metadata, "integers": found.integers_text})


def wrong(path: Path, trained: sqznet.Detector, images: list[bytes]) -> list[str]:
    """What is wrong with the bundled file, by what it says and by its answers for photos."""
    found, expected = weights.read(path), trained.checkpoint
    stated = ("variant", "preprocessing", "labels", "wiring", "detector")
    different = [name for name in stated if getattr(found, name) != getattr(expected, name)]
    faults = [f"its {name} differs" for name in different]
    if found.metadata.get("provenance") != expected.metadata["provenance"]:
        faults.append("its provenance differs")
    answers = Things(trained)
    inputs = [trained.preprocess(image) for image in images]
    agreement, divergence, _ = answers.compared(answers.of(inputs), answers.of(inputs, found))
    print(f"agreement {agreement:.4f}, divergence {divergence:.3f} on {len(images)} photos")
    if agreement < AGREEMENT or divergence > DIVERGENCE:
        faults.append(f"expected an agreement of {AGREEMENT} and a divergence of {DIVERGENCE}")
    if path.stat().st_size > BYTES:
        faults.append(f"it has more than {BYTES} bytes")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--float32", type=Path, metavar="FILE", help="write only this file")
    options = parser.parse_args()

    entries = metadata(json.loads((options.folder / "detector.json").read_text(encoding="utf-8")))
    content = serialize(tensors(options.folder / "detector.safetensors"), entries, "F32")
    if options.float32:
        options.float32.write_bytes(content)
        return 0
    path = Path(weights.DETECTOR_PATH)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "float32.safetensors")
        source.write_bytes(content)
        trained = sqznet.load_detector(source)
        if not options.check:
            images = photos(options.folder, PHOTOS, 0)
            made = sqznet.compress(trained, images, size=WEIGHTS)
            path = DATA / path.name
            path.write_bytes(with_integers(made.content, images[:: PHOTOS // CALIBRATED]))
            print(f"agreement {made.agreement:.4f}, divergence {made.divergence:.3f}")
        elif faults := wrong(path, trained, photos(options.folder, OTHERS, 7)):
            print(f"{path}: {', '.join(faults)}")
            return 1
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path}: {path.stat().st_size} bytes, SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
