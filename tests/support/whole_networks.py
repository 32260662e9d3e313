"""Random whole networks with few channels, compared with the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
import numpy as np

from sqznet.network import layers, reference, variants

from . import networks

Array = Any

BASES = tuple(variants.TOPOLOGIES)
# Relative to the largest logit, or to what it would be without cancellation in the last layer: with
# few channels, bias and products may almost cancel. This allows for float32 rounding in ten layers;
# any structural error is off by whole percents.
TOLERANCE = 2e-4


def assert_near(network: layers.Network, made: Mapping[str, Array], x: Array, found: Array) -> None:
    maps = reference.layer_outputs(network, made, x)
    expected = maps["logits"]
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    # After a bypass, a map has negative values too, so that sums cancel.
    last = (np.abs(made[f"classifier.1.{part}"]) for part in ("weight", "bias"))
    features = np.abs(maps[network.trunk[-1].name])
    largest = reference.classifier(features, *last).max(initial=1e-30)
    assert np.abs(found - expected).max(initial=0.0) <= TOLERANCE * largest


def draw_network(
    data: st.DataObject, base: str, bypass: str
) -> tuple[layers.Network, dict[str, Array]]:
    """A network with this bypass ("", "simple" or "complex") and any wiring, and its tensors."""
    classes = data.draw(st.sampled_from((1, 2, 7, 20)))
    made = networks.tensors(base, classes, bypass, seed=data.draw(st.integers(0, 1000)))
    variant = f"{base}_{bypass}_bypass" if bypass else base
    wiring = variants.Wiring(
        conv1_padding=data.draw(st.integers(0, 3)),
        conv10_padding=data.draw(st.integers(0, 1)),
        ceil_mode=data.draw(st.booleans()),
    )
    return networks.network(made, variant, wiring), made
