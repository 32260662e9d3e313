"""Saves a photo whenever the camera shows a given thing, such as a cat.

    python examples/smart_camera.py cat --source 0 --keep seen/

watches camera 0 and writes a JPEG file into seen/ when a class of ImageNet with "cat" in its name,
such as "tiger cat", comes into view, at most one every --pause seconds.
--source also takes a video file, an address (rtsp://..., http://...) or a folder of new images.
"""

import argparse
import sys
from datetime import datetime
from pathlib import Path

from PIL import Image

import sqznet


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wanted", help="the name of a class, or a word of it")
    parser.add_argument("--source", default="0", help="camera, video or address (default: 0)")
    parser.add_argument("--keep", type=Path, default=Path("seen"), help="output folder (seen)")
    parser.add_argument("--pause", type=float, default=5, help="seconds between photos (5)")
    parser.add_argument("--min-score", type=float, default=0.3, help="ignore lower scores (0.3)")
    options = parser.parse_args()
    source = int(options.source) if options.source.isdigit() else options.source

    model = sqznet.load()
    word = options.wanted.lower()
    wanted = {i for i, name in enumerate(model.labels) if word in name.lower().split()}
    wanted |= {i for i, name in enumerate(model.labels) if word == name.lower()}
    if not wanted:
        parser.error(f"no class is named {options.wanted!r}")

    options.keep.mkdir(parents=True, exist_ok=True)
    last = -options.pause
    for sighting in sqznet.watch(source, model=model):
        score = sum(p.score for p in sighting.predictions if p.index in wanted)
        if score < options.min_score or sighting.time - last < options.pause:
            continue
        last = sighting.time
        file = options.keep / f"{datetime.now():%Y-%m-%d %H.%M.%S} {sighting.time:.1f} s.jpg"
        Image.fromarray(sighting.picture.to_rgb()).save(file)
        print(f"{sighting.time:7.1f} s  {sighting.shown.label}, kept in {file}", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except sqznet.SqznetError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
