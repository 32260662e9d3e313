"""`sqznet classify -o FILE` stopped at any moment, and by two processes at once; and weights files
that are truncated while they are loaded.

Under FILE there is never anything but a whole result, and --resume completes what was stopped.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import sqznet
from benchmarks.soak import material
from benchmarks.soak.outcome import Outcome, until

_FORMATS = ("csv", "json", "jsonl")
_PHOTOS = 150


def run(folder: Path, seconds: float, seed: int) -> Outcome:
    outcome, chance = Outcome("results of stopped and of competing processes"), random.Random(seed)
    small, *_ = material.write_weights(folder)
    photos = folder / "photos"
    photos.mkdir()
    for number in range(_PHOTOS):
        (photos / f"{number}.png").write_bytes(material.encoded(number, "PNG"))
    command = [sys.executable, "-m", "sqznet", "classify", str(photos), "--model", str(small)]
    whole = {}
    for name in _FORMATS:
        target = folder / f"whole.{name}"
        subprocess.run([*command, "-o", target], check=True, cwd=folder)
        whole[name] = target.read_bytes()
    for number in until(seconds):
        name = chance.choice(_FORMATS)
        target = folder / f"{number}.{name}"
        older = chance.random() < 0.5
        if older:
            target.write_bytes(whole[name])
        running = [
            subprocess.Popen(
                [*command, "-o", target], cwd=folder, stderr=subprocess.PIPE, text=True
            )
            for _ in range(chance.choice((1, 1, 2)))
        ]
        stopped = chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL, None))
        if stopped is not None:
            try:
                running[0].communicate(timeout=0.15 + chance.random() * 0.8)
            except subprocess.TimeoutExpired:
                running[0].send_signal(stopped)
        said = [process.communicate(timeout=120)[1] for process in running]
        outcome.tried += 1
        if wrong := _wrong(target, whole[name], older, running, said):
            outcome.failures.append(f"case {number} ({name}, {stopped}): {wrong}")
        subprocess.run([*command, "-o", target, "--resume"], cwd=folder, capture_output=True)
        if target.read_bytes() != whole[name]:
            outcome.failures.append(f"case {number} ({name}, {stopped}): resumed to another result")
        if list(folder.glob(f"{target.name}.part")):
            outcome.failures.append(f"case {number} ({name}, {stopped}): left a part file")
        target.unlink(missing_ok=True)
    return outcome


def _wrong(
    target: Path,
    whole: bytes,
    older: bool,
    running: list[subprocess.Popen[str]],
    said: list[str],
) -> str | None:
    """What is wrong after these processes ended, if anything."""
    finished = any(process.returncode == 0 for process in running)
    if not target.exists():
        return "no result, though a process finished" if finished or older else None
    if target.read_bytes() != whole:
        return "a result that is not whole"
    if any("Traceback" in text and "/sqznet/" in text for text in said):  # not Python's own start
        return f"a traceback: {said}"
    return None


def run_truncated(folder: Path, seconds: float, seed: int) -> Outcome:
    """Loads weights that another thread truncates and writes again all the time."""
    outcome = Outcome("loads of weights files that are being truncated")
    paths = material.write_weights(folder, seed=1)
    command = [sys.executable, "-m", "benchmarks.soak.writers", *map(str, paths)]
    done = subprocess.run(
        [*command, str(seconds)], capture_output=True, text=True, timeout=seconds + 120
    )
    if done.returncode == 0:
        outcome.tried = int(done.stdout)
    else:
        outcome.failures.append(f"exit {done.returncode}: {done.stderr[-2000:]}")
    return outcome


def _child(paths: list[Path], seconds: float) -> None:
    sound = {path: sqznet.load(path).fingerprint for path in paths}
    contents = {path: path.read_bytes() for path in paths}
    over = threading.Event()

    def spoil() -> None:
        while not over.is_set():
            for path, content in contents.items():
                os.truncate(path, len(content) // 3)
                with open(path, "r+b") as file:
                    file.write(content)

    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=spoil, daemon=True)
    thread.start()
    tried = 0
    for _ in until(seconds):
        for path in paths:
            tried += 1
            try:
                model = sqznet.load(path)
            except sqznet.WeightsError:
                continue
            if model.fingerprint != sound[path]:
                raise SystemExit(f"{path.name}: other weights than those of the file")
    over.set()
    thread.join()
    print(tried)


if __name__ == "__main__":
    _child([Path(text) for text in sys.argv[1:-1]], float(sys.argv[-1]))
