"""Chooses the kernels and the number of threads for this machine, and says why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from sqznet import _kernels
from sqznet.errors import MAX_SHOWN, UnsupportedIsaError, checked_count, printable

MAX_DEFAULT_THREADS = 4
MAX_THREADS = 1024


def kernels(isa: str | None = None) -> _kernels.Kernels:
    """The kernels of ``isa``, else of the environment's SQZNET_ISA, else the best that run here.

    If a family has no kernels of that set, it uses the next best one. Raises UnsupportedIsaError if
    the requested set is unknown, not compiled in or cannot run on this CPU.
    """
    return _chosen_kernels(isa)[0]


def thread_count(threads: int | None = None) -> int:
    """``threads``, else the environment's SQZNET_THREADS, else the cores this process may use
    (CPU affinity and control group), at most 4. Raises SqznetError outside 1..1024."""
    return _chosen_threads(threads)[0]


def info() -> dict[str, Any]:
    """What ``sqznet info`` prints about this machine: the choices made here and their reasons."""
    chosen, reason = _chosen_kernels(None)
    threads, threads_reason = _chosen_threads(None)
    sets = _kernels.instruction_sets()
    return {
        "isa": chosen.isa,
        "reason": reason,
        "families": dict(_families(chosen, reason)),
        "compiled": [name for name, families, _, _ in sets if families],
        "available": [name for name, families, runnable, _ in sets if families and runnable],
        "features": dict(_kernels.cpu_features()),
        "threads": threads,
        "threads_reason": threads_reason,
    }


def _chosen_kernels(isa: str | None) -> tuple[_kernels.Kernels, str]:
    reason = "asked for"
    if isa is None:
        isa, reason = os.environ.get("SQZNET_ISA"), "the environment's SQZNET_ISA"
    if not isa:
        best = _kernels.best_kernels()
        return best, f"the best set this CPU and build can run (it needs {_needs(best.isa)})"
    if not isinstance(isa, str):
        raise UnsupportedIsaError(f"isa must be a name, not {type(isa).__name__}")
    try:
        return _kernels.kernels_named(printable(isa, MAX_SHOWN)), reason
    except _kernels.UnsupportedIsaError as error:
        raise UnsupportedIsaError(f"{error} ({reason})") from None


def _needs(isa: str) -> str:
    return next(needs for name, _, _, needs in _kernels.instruction_sets() if name == isa)


def _families(chosen: _kernels.Kernels, reason: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yields each family of kernels with the set it uses and the reason."""
    _, families, _, _ = _kernels.instruction_sets()[-1]  # the last set has them all
    for family in families:
        isa = getattr(chosen, family).isa
        below = f"the best set with such kernels (it needs {_needs(isa)}); {chosen.isa} has none"
        yield family, (isa, reason if isa == chosen.isa else below)


def _chosen_threads(threads: int | None) -> tuple[int, str]:
    if threads is not None:
        return checked_count("threads", threads, MAX_THREADS), "asked for"
    if text := os.environ.get("SQZNET_THREADS"):
        wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
        count = checked_count("SQZNET_THREADS", wanted, MAX_THREADS)
        return count, "the environment's SQZNET_THREADS"
    cores, reason = usable_cores()
    if cores > MAX_DEFAULT_THREADS:
        return MAX_DEFAULT_THREADS, f"{MAX_DEFAULT_THREADS} of {cores} cores: {reason}"
    return cores, reason


def usable_cores() -> tuple[int, str]:
    """The cores this process may use, and what limits it to them."""
    if hasattr(os, "sched_getaffinity"):
        cores, reason = len(os.sched_getaffinity(0)), "the CPU affinity of this process"
    else:
        cores, reason = os.cpu_count() or 1, "the machine's cores"
    quota = _cgroup_cores()
    if quota is not None and quota < cores:
        return max(1, quota), "the CPU quota of this process's control group"
    return max(1, cores), reason


def _cgroup_cores(
    membership: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup"
) -> int | None:
    """The CPU quota in whole cores, rounded up, or None where there is none.

    Version 2 keeps "quota period" in cpu.max of the group and of every group above it; version 1
    keeps two files under the cpu controller. A container often sees its own group at the root.
    """
    try:
        with open(membership, errors="replace") as lines:
            groups = [line.rstrip("\n").split(":", 2) for line in lines]
    except OSError:
        return None
    limits = []
    for entry in groups:
        if len(entry) != 3:
            continue
        _, controllers, path = entry
        unified = controllers == ""
        if not unified and "cpu" not in controllers.split(","):
            continue
        folder = root if unified else os.path.join(root, controllers)
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts) + 1):
            limit = _quota(os.path.join(folder, *parts[:depth]), unified)
            if limit is not None:
                limits.append(limit)
    return min(limits, default=None)


def _quota(folder: str, unified: bool) -> int | None:
    try:
        if unified:
            with open(os.path.join(folder, "cpu.max")) as file:
                quota, period = file.read().split()[:2]
        else:
            with open(os.path.join(folder, "cpu.cfs_quota_us")) as file:
                quota = file.read()
            with open(os.path.join(folder, "cpu.cfs_period_us")) as file:
                period = file.read()
        return -(-int(quota) // int(period)) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
