"""Counts what a server does, in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

#: The type of the text that ``Metrics.text`` gives.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "sqznet_requests",
            "Requests that were answered.",
            ("route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "sqznet_request_seconds",
            "Seconds from a request's headers to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "sqznet_batch_items",
            "Items that one thread took at once.",
            buckets=_SIZES,
            registry=self._registry,
        )
        self._inside = Gauge(
            "sqznet_requests_inside",
            "Requests that are received or answered now.",
            registry=self._registry,
        )
        self._waiting = Gauge(
            "sqznet_items_waiting",
            "Items that no thread has taken yet.",
            registry=self._registry,
        )
        self._of = cache(self._labeled)  # routes and statuses are few

    def answered(self, route: str, status: int, seconds: float) -> None:
        count, times = self._of(route, status)
        count.inc()
        times.observe(seconds)

    def _labeled(self, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(route, str(status)), self._seconds.labels(route)

    def batch(self, items: int) -> None:
        self._batches.observe(items)

    def watch(self, inside: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Reads these two whenever the text is made."""
        self._inside.set_function(inside)
        self._waiting.set_function(waiting)

    def text(self) -> bytes:
        return generate_latest(self._registry)
