"""Runs a command for each hand sign that a camera shows.

    python examples/gesture_control.py signs/ --do "fist=playerctl pause" --do "palm=playerctl play"

signs/ holds a folder with photos of each sign: signs/fist/, signs/palm/, ...; ten to twenty of
each, taken with the same camera, are a good start. Add signs/nothing/ with photos without a sign.
--source takes another camera number, a video or an address. A sign that is held counts once.
"""

import argparse
import shlex
import subprocess
import sys

import sqznet


def command(text: str) -> tuple[str, list[str]]:
    label, _, line = text.partition("=")
    if not line:
        raise argparse.ArgumentTypeError(f"expected SIGN=COMMAND, got {text!r}")
    return label, shlex.split(line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("signs", help="a folder with a sub-folder of photos for each sign")
    parser.add_argument("--source", default="0", help="camera, video or address (default: 0)")
    parser.add_argument("--do", type=command, action="append", default=[], metavar="SIGN=COMMAND")
    parser.add_argument("--min-score", type=float, default=0.7, help="ignore lower scores (0.7)")
    options = parser.parse_args()
    commands = dict(options.do)
    source = int(options.source) if options.source.isdigit() else options.source

    signs = sqznet.learn(options.signs)
    if missing := commands.keys() - set(signs.labels):
        parser.error(f"no photos of {', '.join(sorted(missing))} in {options.signs}")
    last = None
    for sighting in sqznet.watch(source, model=signs, fps=10):
        label, score, _ = sighting.shown
        if label == last or score < options.min_score:
            continue
        last = label
        print(f"{sighting.time:7.1f} s  {label}", flush=True)
        if label in commands:
            subprocess.run(commands[label], check=False)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except sqznet.SqznetError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
