"""Says who is at the door: sees people come, and knows friends from a few photos of each.

    python examples/doorbell.py friends/ --source rtsp://door.local/stream

friends/ holds a folder with photos of each friend, head and shoulders: friends/Ada/, ...; five of
each are a good start. Everybody else is a stranger. It is no lock: a photo of a face is accepted as
the face. The learned faces are kept in friends.sqz; remove that file to learn again.
"""

import argparse
import sys
from pathlib import Path

import sqznet

LOOKS = 5  # at each person, before it says who that is


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

    guesses: dict[str, list[str]] = {}
    for scene in sqznet.watch_objects(source, only=["person"], fps=5):
        picture = scene.picture.to_rgb()
        for person in scene.seen:
            x0, y0, x1, y1 = (max(0, round(side)) for side in person.box[:4])
            head = picture[y0 : min(y1, y0 + (x1 - x0) * 5 // 4), x0:x1]  # and shoulders
            so_far = guesses.setdefault(person.name, [])
            if len(so_far) == LOOKS:
                continue
            label, score, index = friends.classify(head, top=1)[0]
            if score >= options.min_score:
                so_far.append("a stranger" if index == -1 else label)
            if len(so_far) == LOOKS:
                who = max(so_far, key=so_far.count)
                print(f"{scene.time:7.1f} s  ding dong: {who}", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except sqznet.SqznetError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
