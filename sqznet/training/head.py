"""The new head of a network, fitted to what its layers below give already.

A linear head on the trunk's averaged map is a multinomial logistic regression, so it is solved, not
trained step by step. Beginning with it keeps the first steps of the whole network from spoiling
what the trunk has learned (Kumar et al., "Fine-tuning can distort pretrained features",
arXiv:2202.10054).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from sqznet.training.twin import Twin

# The weight of the squared length of the weights, for features of variance 1.
_SHRINKAGE = 3e-3
_ITERATIONS = 200

# The least deviation of a feature, by the root mean square of all: one that hardly varies would get
# a weight so large that the first steps on the trunk spoil everything.
_LEAST_DEVIATION = 0.01


def features(twin: Twin, views: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """The averages of the trunk's last map (N, channels), and the targets, of all inputs."""
    last = twin.network.trunk[-1].name
    twin.eval()
    with torch.no_grad():
        found = [(twin(x, (last,))[last].float().mean((2, 3)), targets) for x, targets in views]
    return torch.cat([x for x, _ in found]), torch.cat([targets for _, targets in found])


def fit_head(conv: nn.Conv2d, x: Tensor, targets: Tensor, prior: Tensor) -> None:
    """Fits a 1x1 convolution to features (N, channels) and targets (N, classes).

    ``prior`` (classes,): added to the logits while it is fitted.
    """
    least = max(_LEAST_DEVIATION * float(x.square().mean().sqrt()), 1e-6)
    mean, deviation = x.mean(0), x.std(0, correction=0).clamp(min=least)
    normal = (x - mean) / deviation
    weight = torch.zeros(targets.shape[1], x.shape[1], device=x.device, requires_grad=True)
    bias = torch.zeros(targets.shape[1], device=x.device, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        logits = normal @ weight.T + bias + prior
        loss = functional.cross_entropy(logits, targets) + _SHRINKAGE / 2 * weight.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    with torch.no_grad():
        conv.weight.copy_((weight / deviation)[:, :, None, None])
        conv.bias.copy_(bias - (weight / deviation) @ mean)
