"""Saves a photo whenever something comes into view, such as a cat.

    python examples/smart_camera.py cat --source 0 --keep seen/

watches camera 0 and writes a JPEG file into seen/ for each cat that comes: one that stays, or is
hidden for a moment, is the same one. It knows people, cats, dogs, horses, cows and sheep; --model
takes another detector. --source also takes a video file or an address (rtsp://..., http://...).
"""

import argparse
import sys
from datetime import datetime
from pathlib import Path

from PIL import Image

import sqznet


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wanted", nargs="+", help="the names of classes, such as cat")
    parser.add_argument("--source", default="0", help="camera, video or address (default: 0)")
    parser.add_argument("--keep", type=Path, default=Path("seen"), help="output folder (seen)")
    parser.add_argument("--min-score", type=float, default=0.5, help="ignore lower scores (0.5)")
    parser.add_argument("--model", help="a detector (default: the bundled one)")
    options = parser.parse_args()
    source = int(options.source) if options.source.isdigit() else options.source

    detector = sqznet.load_detector(options.model)
    if unknown := set(options.wanted) - set(detector.labels):
        known = ", ".join(detector.labels)
        parser.error(f"no class is named {unknown.pop()!r}, expected one of {known}")

    options.keep.mkdir(parents=True, exist_ok=True)
    scenes = sqznet.watch_objects(
        source, detector=detector, only=options.wanted, threshold=options.min_score
    )
    for scene in scenes:
        for event in scene.events:
            if event.kind != "appears":
                continue
            file = options.keep / f"{datetime.now():%Y-%m-%d %H.%M.%S} {event.track.name}.jpg"
            Image.fromarray(scene.picture.to_rgb()).save(file)
            print(f"{event.time:7.1f} s  {event}, kept in {file}", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except sqznet.SqznetError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
