"""Says who is at the door: recognizes friends by their faces, from a few photos of each.

    python examples/doorbell.py friends/ --source rtsp://door.local/stream

friends/ holds a folder with photos of each friend, cropped to the face: friends/Ada/,
friends/Grace/, ...; five of each are a good start. The camera should show faces as large.
Everybody else is a stranger. It greets friends, but it is not a lock: a photo of a face is accepted
as the face. The learned faces are kept in friends.sqz; remove that file to learn again.
"""

import argparse
import sys
from pathlib import Path

import sqznet


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("friends", type=Path, help="a folder with a sub-folder for each friend")
    parser.add_argument("--source", default="0", help="camera, video or address (default: 0)")
    parser.add_argument("--min-score", type=float, default=0.6, help="ignore lower scores (0.6)")
    options = parser.parse_args()
    source = int(options.source) if options.source.isdigit() else options.source

    learned = options.friends.with_suffix(".sqz")
    if learned.exists():
        friends = sqznet.Recognizer.load(learned)
    else:
        friends = sqznet.learn(options.friends)
        friends.save(learned)
    print(f"knows {', '.join(friends.labels)}", flush=True)

    at_the_door = None
    for sighting in sqznet.watch(source, model=friends, fps=5, smoothing=1):
        label, score, index = sighting.shown
        if label == at_the_door or score < options.min_score:
            continue
        at_the_door = label
        who = "a stranger" if index == -1 else label
        print(f"{sighting.time:7.1f} s  ding dong: {who}", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except sqznet.SqznetError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
