"""From the bypasses of the fire modules to the name of the variant."""

from __future__ import annotations

import pytest

from sqznet.network.layers import Fire
from sqznet.network.variants import BYPASSES, TOPOLOGIES
from sqznet.weights.naming import variant_of
from sqznet.weights.recognition import bypass_suffix

from ..support import networks


@pytest.mark.parametrize("base", TOPOLOGIES)
@pytest.mark.parametrize(("suffix", "bypass"), BYPASSES.items())
def test_the_bypasses_of_every_variant_are_known(
    base: str, suffix: str, bypass: str | None
) -> None:
    made = networks.tensors(base, bypass=bypass or "")
    trunk = networks.network(made, base + suffix).trunk
    assert bypass_suffix([fire.bypass for fire in trunk if isinstance(fire, Fire)]) == suffix
    names = {name.rpartition(".")[0] for name in made}
    assert variant_of(base, names) == base + ("" if bypass == "simple" else suffix)


@pytest.mark.parametrize(
    "kinds",
    [
        ["simple"] * 8,
        ["complex"] * 8,
        [None, "simple"] * 3 + [None, None],
        ["simple", None] * 4,
        [None, "complex"] * 4,
    ],
)
def test_other_bypasses_are_not_a_variant(kinds: list[str | None]) -> None:
    assert bypass_suffix(kinds) is None
