"""Max pooling: 3x3 windows, stride 2, in ceil and in floor mode."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sqznet import _kernels
from sqznet.network import reference
from sqznet.network.layers import pooled_size

from ..support import kernel_cases as cases
from ..support.kernel_cases import Map

both_modes = pytest.mark.parametrize("ceil_mode", [True, False], ids=["ceil", "floor"])


@both_modes
@given(data=st.data())
@cases.examples(120)
def test_max_pool(table: _kernels.Float32Kernels, ceil_mode: bool, data: st.DataObject) -> None:
    side = st.integers(2 if ceil_mode else 3, 16)
    shape = (
        data.draw(cases.batches),
        data.draw(cases.channels),
        data.draw(side),
        data.draw(side),
    )
    x = cases.values(data.draw(cases.seeds), shape, data.draw(cases.kinds))
    at_end = data.draw(cases.placements)
    expected = reference.max_pool(x, ceil_mode)
    source = cases.filled(x, data.draw(cases.borders), at_end)
    target = Map(expected.shape, border=data.draw(cases.borders), at_end=at_end)
    pool = cases.POOLS[data.draw(cases.threads)]
    _kernels.max_pool(table, pool, source.tensor, target.tensor, ceil_mode)
    source.check(x)
    target.check()
    np.testing.assert_array_equal(target.nchw, expected)


@both_modes
def test_the_maximum_may_lie_anywhere_in_the_window(
    table: _kernels.Float32Kernels, ceil_mode: bool
) -> None:
    for place in np.ndindex(3, 3):
        x = np.full((1, 9, 3, 3), -2.0, np.float32)
        x[:, :, place[0], place[1]] = -1.0
        target = Map((1, 9, 1, 1))
        _kernels.max_pool(table, cases.POOLS[1], cases.filled(x).tensor, target.tensor, ceil_mode)
        np.testing.assert_array_equal(target.nchw, np.full((1, 9, 1, 1), -1.0, np.float32))


@both_modes
def test_output_sizes(ceil_mode: bool) -> None:
    """The kernels, the graph and the definition agree on every size."""
    for size in range(70):
        windows = 0  # that start inside the map, and in floor mode also end there
        while 2 * windows + (2 if ceil_mode else 3) <= size:
            windows += 1
        assert _kernels.pooled_size(size, ceil_mode) == windows
        assert pooled_size(size, ceil_mode) == windows
