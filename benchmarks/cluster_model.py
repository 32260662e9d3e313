"""A model of a large cluster: how long a run of partitions takes, from the rate of one core.

A list of equal partitions; a core that is free takes the next one. The time of a partition is its
photos' time times the slowness of its core (log-normal, the same for the whole run) times that of
its photos (log-normal, averaged over the partition), and a fixed time to begin. Nodes are lost at
random times (exponential) and replaced after a while; their cores' partitions are begun again, from
their first photo, by the next cores that are free. Everything comes from one seed.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from typing import NamedTuple


class Assumed(NamedTuple):
    """The cluster. Times in seconds.

    ``photo``: of one core for a photo. ``photo_spread``, ``core_spread``: standard deviations of
    the logarithms of the times of photos and of the slowness of cores. ``begin``: for each
    partition. ``losses``: of a node in an hour, on average. ``replaced``: until a lost node's cores
    work again.
    """

    cores: int = 1000
    node: int = 16
    photo: float = 0.005
    photo_spread: float = 0.6
    core_spread: float = 0.05
    begin: float = 0.05
    losses: float = 0.05
    replaced: float = 180.0


class Outcome(NamedTuple):
    """``seconds``: of the run. ``busy``: the share of all cores' time that the photos need at the
    mean rate. ``lost``: nodes; ``again``: partitions that were begun again."""

    seconds: float
    busy: float
    lost: int
    again: int


def simulate(photos: int, partition: int, assumed: Assumed, seed: int = 1) -> Outcome:
    """One run of ``photos`` in partitions of ``partition``."""
    rng = random.Random(seed)
    # The means of both log-normal factors are 1, so the mean rate is that of ``photo``.
    slowness = [_factor(rng, assumed.core_spread) for _ in range(assumed.cores)]
    whole, rest = divmod(photos, partition)
    sizes = [partition] * whole + ([rest] if rest else [])
    left = deque(range(len(sizes)))
    nodes = math.ceil(assumed.cores / assumed.node)
    # (time, kind, core or node, visit): a visit that a loss made void is passed over.
    events: list[tuple[float, int, int, int]] = []
    visit, running = [0] * assumed.cores, [-1] * assumed.cores
    idle: set[int] = set()
    lost = again = done = 0
    now = 0.0
    free, failure, back = 0, 1, 2

    def begin(core: int) -> None:
        if not left:
            running[core] = -1
            idle.add(core)
            return
        running[core] = left.popleft()
        count = sizes[running[core]]
        # Of a mean of that many photos, the variance is that much smaller.
        variance = math.expm1(assumed.photo_spread**2) / count
        share = _factor(rng, math.sqrt(math.log1p(variance)))
        time = assumed.begin + count * assumed.photo * share * slowness[core]
        heapq.heappush(events, (now + time, free, core, visit[core]))

    def fail_later(node: int) -> None:
        if assumed.losses:
            time = rng.expovariate(assumed.losses / 3600)
            heapq.heappush(events, (now + time, failure, node, 0))

    for node in range(nodes):
        fail_later(node)
    for core in range(assumed.cores):
        begin(core)
    while done < len(sizes):
        now, kind, which, number = heapq.heappop(events)
        if kind == free:
            if number == visit[which]:
                done += 1
                begin(which)
            continue
        members = range(which * assumed.node, min(assumed.cores, (which + 1) * assumed.node))
        if kind == back:
            for core in members:
                begin(core)
            fail_later(which)
            continue
        lost += 1
        for core in members:
            visit[core] += 1
            idle.discard(core)
            if running[core] >= 0:
                left.appendleft(running[core])
                running[core] = -1
                again += 1
        while left and idle:
            begin(idle.pop())
        heapq.heappush(events, (now + assumed.replaced, back, which, 0))
    return Outcome(now, photos * assumed.photo / (now * assumed.cores), lost, again)


def _factor(rng: random.Random, spread: float) -> float:
    """Log-normal with mean 1."""
    return math.exp(rng.gauss(-(spread**2) / 2, spread))
