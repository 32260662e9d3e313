"""Passes bytes to the readers and checks that they keep their promises for any bytes.

A short, deterministic run of each target is part of the tests; `-m slow` selects the long runs.
SQZNET_FUZZ_EXAMPLES=N sets the examples per target to N, with different examples in every run.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sqznet import weights
from sqznet.detection.detector import Detector
from sqznet.errors import SqznetError, WeightsError
from sqznet.network import variants
from sqznet.weights import Checkpoint, RawTensor
from sqznet.weights.checkpoint import FLOAT_SIZES, element_count
from sqznet.weights.reading import WeightsFile

from ..support import networks
from ..support.weights_refusal import check_message, limited

_ASKED = int(os.environ.get("SQZNET_FUZZ_EXAMPLES", "0"))
_SHORT, _LONG = 60, 1000

#: The number of examples for a target.
every_length = pytest.mark.parametrize(
    "examples",
    [pytest.param(_ASKED, id="asked")]
    if _ASKED
    else [pytest.param(_SHORT, id="short"), pytest.param(_LONG, id="long", marks=pytest.mark.slow)],
)


def fuzz(target: Callable[[Any], object], given_by: st.SearchStrategy[Any], examples: int) -> None:
    """Calls the target with many examples of a strategy; a failure shows the smallest one."""
    run = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not _ASKED,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    run(given(given_by)(target))()


class HeldFile(WeightsFile):
    """A weights file in memory, with its neighbor files."""

    neighbors: Mapping[str, bytes]

    def beside(self, name: str) -> WeightsFile | None:
        return held(name, self.neighbors[name]) if self.neighbors.get(name) else None


def held(name: str, content: bytes, neighbors: Mapping[str, bytes] | None = None) -> HeldFile:
    """The file with this name and non-empty content."""
    mapped = mmap.mmap(-1, len(content))
    mapped[:] = content
    file = HeldFile(name, name, memoryview(mapped).toreadonly())
    file.neighbors = neighbors or {}
    return file


def attempt(
    content: bytes, name: str = "weights", neighbors: Mapping[str, bytes] | None = None
) -> Checkpoint | None:
    """The Checkpoint, after checking its promises; None if the file was refused correctly.

    Errors other than WeightsError, which `weights.read` would convert, are raised.
    """
    if not content:
        return None
    file = held(name, content, neighbors)
    try:
        with limited():
            checkpoint = weights._read_file(file)
    except WeightsError as error:
        check_message(str(error))
        return None
    check_promises(checkpoint)
    return checkpoint


def check_promises(checkpoint: Checkpoint) -> None:
    """Checks the documented properties of `Checkpoint`, and that it is a network or clearly not."""
    for name, tensor in checkpoint.tensors.items():
        assert isinstance(name, str)
        assert isinstance(tensor, RawTensor)
        floats = tensor.floats()
        assert floats.data.nbytes == element_count(tensor.shape) * FLOAT_SIZES[floats.dtype]
        assert tensor.data.contiguous
        assert tensor.data.format == "B"
        assert len(bytes(tensor.data)) == tensor.data.nbytes
    for padding in (checkpoint.wiring.conv1_padding, checkpoint.wiring.conv10_padding):
        assert type(padding) is int
        assert 0 <= padding <= variants.MAX_PADDING
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    try:
        network = variants.network_for(
            shapes,
            checkpoint.variant,
            "weights",
            checkpoint.wiring,
            detector=checkpoint.detector,
        )
        network.shapes(*checkpoint.preprocessing.size)
        if checkpoint.detector is not None:
            Detector(checkpoint, threads=1, precision="float32").detect(networks.photo())
    except SqznetError as error:
        check_message(str(error))
