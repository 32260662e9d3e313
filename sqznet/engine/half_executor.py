"""Runs a network in half precision, and images that leave its range again in float32."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from sqznet import _kernels
from sqznet.engine.executor import Executor
from sqznet.engine.half_layers import HalfLayers
from sqznet.engine.program import Workspace
from sqznet.network.layers import Network
from sqznet.weights.checkpoint import RawTensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class HalfExecutor(Executor):
    """See ``Executor``. The kernels must have half precision.

    Half-precision numbers end at 65504. What is computed from a larger one is not finite, up to the
    outputs of the heads. The weights are packed as float32, too, once that happens.
    """

    def __init__(
        self,
        network: Network,
        tensors: Mapping[str, RawTensor],
        kernels: _kernels.Kernels,
        pool: _kernels.ThreadPool,
        origin: str = "the checkpoint",
    ) -> None:
        super().__init__(network, tensors, kernels, pool, origin, HalfLayers)
        self._make_wide = partial(Executor, network, tensors, kernels, origin=origin)
        self._wide: Executor | None = None

    def alone(self) -> HalfExecutor:
        other = super().alone()
        assert isinstance(other, HalfExecutor)
        other._wide = None  # its pool has other threads
        return other

    def acquire(
        self,
        n: int,
        height: int,
        width: int,
        keep: tuple[str, ...] = (),
        largest_input: float = 0.0,
    ) -> Workspace:
        workspace = super().acquire(n, height, width, keep)
        workspace.check = partial(self._repeat, keep, largest_input)
        return workspace

    def _repeat(self, keep: tuple[str, ...], largest_input: float, workspace: Workspace) -> None:
        """Replaces the outputs of images that are not finite by those that float32 gives them."""
        outputs = workspace.outputs
        # What the heads compute is finite only if all that it was computed from is.
        ends = [outputs[name] for name in self.network.outputs or outputs]
        if all(end.is_finite() for end in ends):
            return
        import numpy as np

        images = range(ends[0].shape[0])
        again = [
            i for i in images if not all(np.isfinite(np.asarray(end)[i]).all() for end in ends)
        ]
        values = {name: self.floats(name, tensor) for name, tensor in outputs.items()}
        for i in again:
            for name, wide in self._in_float32(np.asarray(workspace.input)[i], keep, largest_input):
                values[name][i] = wide
        workspace.outputs = {
            name: _kernels.Tensor.over(found, found.shape) for name, found in values.items()
        }

    def _in_float32(
        self, image: npt.NDArray[np.float32], keep: tuple[str, ...], largest_input: float
    ) -> list[tuple[str, npt.NDArray[np.float32]]]:
        import numpy as np

        # Two callers at once may both pack the weights; one of the two executors stays.
        wide = self._wide = self._wide or self._make_wide(pool=self.pool)
        height, width, _ = image.shape
        workspace = wide.acquire(1, height, width, keep, largest_input)
        try:
            np.asarray(workspace.input)[0] = image
            workspace.run()
            return [(name, wide.floats(name, t)[0]) for name, t in workspace.outputs.items()]
        finally:
            wide.release(workspace)
