"""Damaged files: each gives one SqznetError or an answer, in time and in little memory.

They are read in child processes, since a failure may be a crash: `python -m benchmarks.soak.hostile
FOLDER SEED COUNT` reads COUNT of them and prints how many were refused.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

import sqznet
from benchmarks.soak import material
from benchmarks.soak.outcome import Outcome, until

_BATCH = 400
_SECONDS = 10.0  # for one file
_MEMORY = 1 << 31  # bytes of address space beyond what the child has at its start
_HOSTILE = (bytes(8), b"\xff" * 8, b"\xff\xff\xff\x7f", b"\x80" * 9, b"-1", b"9" * 20, b"nan", b"}")


def damaged(content: bytes, chance: random.Random) -> bytes:
    """One to three changes to the content; most of them near its ends, where structure is."""
    for _ in range(chance.randint(1, 3)):
        near = chance.choice((256, 4096, len(content)))
        at = chance.randrange(min(near, len(content)) or 1)
        at = max(0, len(content) - at) if chance.random() < 0.4 else at
        count = chance.choice((1, 2, 4, 8, 30, 200))
        new = chance.choice((*_HOSTILE, chance.randbytes(4)))
        content = chance.choice(
            (
                content[:at],
                content[:at] + new + content[at + len(new) :],
                content[:at] + new + content[at:],
                content[:at] + content[at + count :],
                content[:at] + content[at : at + count] + content[at:],
            )
        )
    return content


def run(folder: Path, seconds: float, seed: int) -> Outcome:
    outcome = Outcome("damaged weights, recognizers and photos")
    seeds = folder / "seeds"
    seeds.mkdir(exist_ok=True)
    small, *_ = material.write_weights(seeds)
    model = sqznet.load(small)
    learned = sqznet.learn(
        {"a": [material.photo(1)], "b": [material.photo(2)]}, model=model, report=lambda _: None
    )
    learned.save(seeds / "small.sqz")
    for number, name in enumerate(material.PHOTOS):
        (seeds / f"photo.{name.lower()}").write_bytes(material.encoded(number, name))
    for batch in until(seconds):
        command = [sys.executable, "-X", "faulthandler", "-m", "benchmarks.soak.hostile"]
        done = subprocess.run(
            [*command, str(seeds), str(seed + batch), str(_BATCH)],
            capture_output=True,
            text=True,
            timeout=_BATCH * _SECONDS,
        )
        outcome.tried += _BATCH
        if done.returncode != 0:
            said = (done.stdout + done.stderr)[-2000:]
            outcome.failures.append(f"batch {seed + batch}, exit {done.returncode}: {said}")
    return outcome


def _read(path: Path, model: sqznet.Model) -> None:
    if path.suffix[1:].upper() in material.PHOTOS:
        model.classify(path)
    else:
        sqznet.load(path, backbone=path.parent / "small0.npz" if path.suffix == ".sqz" else None)


def _child(seeds: Path, seed: int, count: int) -> None:
    chance = random.Random(seed)
    model = sqznet.load(seeds / "small0.npz", threads=1)
    files = sorted(seeds.iterdir())
    target = seeds.parent / f"damaged-{seed}"
    target.mkdir()
    (target / "small0.npz").write_bytes((seeds / "small0.npz").read_bytes())
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    refused = 0
    for number in range(count):
        source = chance.choice(files)
        path = target / f"damaged{source.suffix}"
        path.write_bytes(damaged(source.read_bytes(), chance))
        began = time.monotonic()
        try:
            _read(path, model)
        except sqznet.SqznetError as error:
            if not str(error).isprintable():
                raise SystemExit(f"case {number}, {source.name}: {str(error)!a}") from None
            refused += 1
        except BaseException:
            print(f"case {number}, {source.name}: {traceback.format_exc()}")
            raise SystemExit(1) from None
        if time.monotonic() - began > _SECONDS:
            raise SystemExit(f"case {number}, {source.name}: {time.monotonic() - began:.1f} s")
        path.unlink()
    (target / "small0.npz").unlink()
    target.rmdir()
    print(refused)


if __name__ == "__main__":
    warnings.simplefilter("error", ResourceWarning)
    _child(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
