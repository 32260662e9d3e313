"""Run as a script in a fresh interpreter: import an engine, load, and classify one photo.

Arguments: engine, model file, threads, photo. Prints one line of JSON: milliseconds from this
file's first statement to the answer, the peak resident megabytes, and the answer.
"""

import time

START = time.perf_counter()

import sys  # noqa: E402


def main(engine: str, model: str, threads: str, photo: str) -> int:
    """The best class of `photo`."""
    if engine == "sqznet":
        import sqznet  # as a user of sqznet writes it, without the benchmarks

        return int(sqznet.classify(photo)[0].index)
    from benchmarks.engines import get

    return get(engine)(model, int(threads), (1, 224, 224)).top5(photo)[0]


def peak_mb() -> float:
    """Peak resident megabytes of this program.

    Not getrusage's ru_maxrss, which a new program inherits from the one that started it.
    """
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    # The script's folder leaves the path, the repository moves to its end: see __init__.py.
    sys.path.append(sys.path.pop(0).rpartition("benchmarks")[0] or ".")
    best = main(*sys.argv[1:])
    milliseconds = (time.perf_counter() - START) * 1e3
    try:
        memory = peak_mb()
    except OSError:  # not Linux
        memory = 0.0
    print(f'\n{{"ms": {milliseconds}, "peak_mb": {memory}, "best": {best}}}')
