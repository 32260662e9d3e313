"""Sorts photos by content: copies those of a folder into one folder for each class.

    python examples/sort_photos.py holiday/ sorted/

makes sorted/espresso/, sorted/Egyptian cat/ and so on, and sorted/unsure/ for photos with low
scores. The original photos stay where they are.
"""

import argparse
import shutil
import sys
from pathlib import Path

import sqznet


def free_name(path: Path) -> Path:
    """The path itself or, if it exists, one with a number."""
    names = (path.with_stem(f"{path.stem}-{i}") for i in range(2, sys.maxsize))
    return path if not path.exists() else next(name for name in names if not name.exists())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="the folder to sort, including nested folders")
    parser.add_argument("target", type=Path, help="the output folder")
    parser.add_argument("--min-score", type=float, default=0.4, help="lower is unsure (0.4)")
    options = parser.parse_args()

    unreadable = 0
    for path, predictions, error in sqznet.load().classify_files(options.photos, top=1):
        if error is not None:
            print(error, file=sys.stderr)
            unreadable += 1
            continue
        best = predictions[0]
        label = best.label if best.score >= options.min_score else "unsure"
        folder = options.target / label.replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        copy = shutil.copy2(path, free_name(folder / Path(path).name))
        print(f"{path} -> {copy}")
    return 1 if unreadable else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except sqznet.SqznetError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
