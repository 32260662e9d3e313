"""The exponential moving average of a module's weights, which is what is validated and kept.

Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch import nn

# Of so many steps, the average follows about the last tenth; it never follows more than this many.
_SHARE, _MOST = 10, 10_000


class Average:
    """The average of a module's weights over the last steps. ``module``: a module like the one that
    is averaged, with the averages as its weights."""

    def __init__(self, module: nn.Module) -> None:
        self.module = deepcopy(module).eval()
        for parameter in self.module.parameters():
            parameter.requires_grad_(False)
        self._steps = 0

    def update(self, module: nn.Module) -> None:
        """Takes in the weights after one more step."""
        self._steps += 1
        weight = max(1 / (1 + self._steps / _SHARE), 1 / _MOST)
        pairs = zip(self.module.parameters(), module.parameters(), strict=True)
        for average, parameter in pairs:
            average.lerp_(parameter.detach(), weight)
        for own, buffer in zip(self.module.buffers(), module.buffers(), strict=True):
            own.copy_(buffer)

    def state_dict(self) -> dict[str, Any]:
        return {"module": self.module.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state["module"])
        self._steps = state["steps"]
