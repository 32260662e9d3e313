"""The machine and the versions of a measurement."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from benchmarks.engines import get

_FEATURES = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "asimd", "asimddp")


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe(engines: Iterable[str]) -> dict[str, str]:
    """What a figure depends on: names and values."""
    out = _cpu()
    out["cores"] = f"{cores()} usable of {os.cpu_count()}"
    out["system"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    out["python"] = sys.version.split()[0]
    for name in engines:
        package = get(name).package
        try:
            out[name] = metadata.version(package)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


class OthersMeter:
    """How many cores other programs (and, in a guest, its host) kept busy since its creation."""

    def __init__(self) -> None:
        self._start = self._now()

    def cores(self) -> float | None:
        """Mean cores' worth of CPU time; None without /proc/stat.

        Of child processes only those that have ended and been waited for count as our own.
        """
        now = self._now()
        if now is None or self._start is None:
            return None
        elapsed, busy, own = (b - a for a, b in zip(self._start, now, strict=True))
        return max(busy - own, 0.0) / max(elapsed, 1e-3)

    @staticmethod
    def _now() -> tuple[float, float, float] | None:
        try:
            fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        except OSError:
            return None
        user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[:8])
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        return time.monotonic(), busy, sum(os.times()[:4])


def _cpu() -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {"cpu": platform.processor() or platform.machine()}
    for line in lines:
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    name = found.get("model name") or found.get("Model") or platform.machine()
    ids = [found[k] for k in ("cpu family", "model") if k in found]
    flags = set((found.get("flags") or found.get("Features") or "").split())
    return {
        "cpu": f"{name} (family {ids[0]}, model {ids[1]})" if len(ids) == 2 else name,
        "features": " ".join(f for f in _FEATURES if f in flags),
    }
