"""The memory cost of loading: the file, and at most one layer is in memory twice."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sqznet import weights

from ..conftest import EMULATED
from ..support import networks
from ..support.isolated import run_script, sanitizer

CLASSES, CHANNELS = 5000, 1200
LAYER = 4 * CLASSES * CHANNELS / 2**20


def large(folder: Path, weight: float) -> Path:
    """A network whose last layer has nearly all weights."""
    made = networks.tensors(classes=CLASSES)
    for part, kernel in (("expand1x1", 1), ("expand3x3", 3)):
        squeezed = made[f"features.12.{part}.weight"].shape[1]
        shape = (CHANNELS // 2, squeezed, kernel, kernel)
        made[f"features.12.{part}.weight"] = np.ones(shape, np.float32)
        made[f"features.12.{part}.bias"] = np.ones(CHANNELS // 2, np.float32)
    made["classifier.1.weight"] = np.full((CLASSES, CHANNELS, 1, 1), weight, np.float32)
    return networks.save(folder / "large.safetensors", made)


def test_tensors_are_views_of_the_files_bytes(tmp_path: Path) -> None:
    for checkpoint in (weights.read(large(tmp_path, 1.0)), weights.bundled()):
        tensors = checkpoint.tensors.values()
        assert len({id(tensor.data.obj) for tensor in tensors}) == 1
        assert all(tensor.data.readonly for tensor in tensors)


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc/self/status")
@pytest.mark.parametrize(("weight", "packed"), [(0.1, LAYER), (0.125, LAYER / 2)])
def test_peak_memory_of_loading(tmp_path: Path, weight: float, packed: float) -> None:
    """The file, the packed weights and one layer before packing: no second copy of the file.

    Another copy would show: the file has 23 MB, nearly all of it for one layer. Half-precision
    numbers are packed as such.
    """
    if sanitizer():
        pytest.skip("sanitizers delay freeing memory")
    if EMULATED:
        pytest.skip("the emulator keeps translated code in the same process")
    path = large(tmp_path, weight)
    file = path.stat().st_size / 2**20
    assert LAYER < file < LAYER + 1
    run_script(
        """
        import sys
        import sqznet

        def memory(key):
            with open("/proc/self/status") as status:
                for line in status:
                    if line.startswith(key + ":"):
                        return int(line.split()[1]) / 1024

        small = sqznet.load(threads=1)
        before, resident = memory("RssAnon"), memory("VmRSS")
        model = sqznet.load(sys.argv[1], threads=1)
        stays = memory("RssAnon") - before
        peak = memory("VmHWM") - resident
        layer, packed, file = map(float, sys.argv[2:])
        assert stays < file + packed + 6, f"{stays:.1f} MB stay for {packed:.1f} MB of weights"
        assert peak < stays + layer + 6, f"peak {peak:.1f} MB, {stays:.1f} MB stay"
        """,
        str(path),
        str(LAYER),
        str(packed),
        str(file),
    )
