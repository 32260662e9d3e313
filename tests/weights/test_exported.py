"""Files of real exporters give the answers of the programs that they come from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import sqznet

EXPORTED = Path(__file__).resolve().parents[1] / "exported"
EXPECTED = json.loads((EXPORTED / "logits.json").read_text())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_logits(name: str) -> None:
    if name.endswith(".keras"):
        pytest.importorskip("h5py", reason="Keras's files need it")
    height, width = EXPECTED[name]["size"]
    x = np.random.default_rng(1).standard_normal((1, 3, height, width), dtype=np.float32)
    expected = np.array(EXPECTED[name]["logits"])
    found = sqznet.load(EXPORTED / name, threads=1).logits(x)[0]
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
