"""Reads damaged HDF5 files, each in a forked process, since they may crash the HDF5 library.

It runs as a script. A line on stdin is the path of a file; the answer is a line on stdout with the
process's exit status, which is negative if a signal ended it: 0 for a network, 1 for a refused
file, 2 for an error that no reader should raise, which is printed to stderr.
"""

from __future__ import annotations

import os
import sys
import traceback

import h5py  # noqa: F401 - once, before the forks
import numpy  # noqa: F401

from sqznet.errors import WeightsError
from sqznet.weights.keras import child as keras_child
from sqznet.weights.keras import content as keras_content
from sqznet.weights.keras import reader as keras


def status(path: str) -> int:
    size = os.path.getsize(path)
    keras_child.limit_resources(size)
    message = ""
    try:
        answer = b"".join(keras_child.answer(path, size))
        assert len(answer) < size + (8 << 20)
        keras.interpret(path, keras_content.parse_answer(answer))
    except WeightsError as error:
        message = str(error)
    assert len(message) < 600
    assert message.isprintable()
    return 1 if message else 0


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                os._exit(status(line.rstrip("\n")))
            except BaseException:
                traceback.print_exc()
                os._exit(2)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
