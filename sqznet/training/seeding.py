"""Random numbers that depend on a seed and on what they are for, not on what was drawn before."""

from __future__ import annotations

import numpy as np
import torch


def generator(seed: int, *purpose: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for a purpose, such as the number of an epoch; the same for the same numbers.

    Different devices draw different numbers.
    """
    state = np.random.SeedSequence([seed, *purpose]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0] >> np.uint64(1)))
