"""Counts what crosses a line on the picture, such as people at a door or cows at a gate.

    python examples/count_line.py --source 0 --line 0.5,0,0.5,1

The line goes from one point to another: x and y of both, in pixels or, if no number is above 1, as
shares of the picture; 0.5,0,0.5,1 is a line down its middle. Draw it across the ground: a thing is
where its feet are. --only person counts people alone.
"""

import argparse
import sys
from collections import Counter

import sqznet


def line(text: str) -> list[tuple[float, float]]:
    x0, y0, x1, y1 = map(float, text.split(","))
    return [(x0, y0), (x1, y1)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="0", help="camera, video or address (default: 0)")
    parser.add_argument("--line", type=line, default="0.5,0,0.5,1", metavar="X,Y,X,Y")
    parser.add_argument("--only", action="append", help="a class; may be given several times")
    options = parser.parse_args()
    source = int(options.source) if options.source.isdigit() else options.source

    counts: Counter[str] = Counter()
    zones = {"the line": options.line}
    try:
        for scene in sqznet.watch_objects(source, zones=zones, only=options.only):
            for event in scene.events:
                if event.kind == "crosses":
                    counts[f"{event.track.label} {event.direction}"] += 1
                    print(f"{event.time:7.1f} s  {event}", flush=True)
    finally:  # also after Ctrl-C
        for what, count in sorted(counts.items()):
            print(f"{count:7}    {what}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except sqznet.SqznetError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
