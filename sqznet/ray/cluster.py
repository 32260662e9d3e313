"""Runs partitions as tasks on the cores of a Ray cluster, one task a core.

Tasks, and not Ray Data: this keeps the photos out of Ray's memory, a worker starts in a tenth of
the time, and lost nodes and full memory are answered here. A task reads its photos, computes on one
thread and writes its file; what returns is a count. It may run twice without harm.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import sqznet
from sqznet.batch.photos import in_order
from sqznet.errors import SqznetError, path_for_messages, printable
from sqznet.images import decoding
from sqznet.images.finding import Found, log
from sqznet.ray.library import ray_library
from sqznet.ray.partitions import file_name
from sqznet.ray.storage import Folder, MissingError, fetched

#: How often a partition is begun that ends a worker or its node, or exceeds their memory.
TRIES = 5

# Tasks that are submitted for each core: one to run, one to follow without a pause.
_AHEAD = 2
# Threads that read a partition's photos from buckets: each photo takes a while to come, and none of
# the processor's time.
_READERS = 16
# Seconds to connect, and until a cluster without cores is worth a word.
_CONNECT, _PATIENCE = 5.0, 10.0


class Content(NamedTuple):
    """The file of a partition, and how many of its photos have an error in it."""

    data: bytes
    failed: int


#: Makes the file of the photos of a partition.
Work = Callable[[Iterable[Found]], Content]


class Done(NamedTuple):
    """A partition that is written: its number, its photos, and those with an error."""

    number: int
    photos: int
    failed: int


class _Job(NamedTuple):
    """What every task gets. ``addresses``: how to open the buckets."""

    work: Work
    folder: Folder
    addresses: Mapping[str, str]
    version: str


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module ray, connected to a cluster until the block ends.

    ``address``: as ``ray.init`` takes it: "auto", "host:port", "ray://host:port", or "local" for
    one of this machine alone. Raises SqznetError if Ray is missing or there is no such cluster.
    """
    if address == "local":  # a cluster of our own tells nobody that it is used
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = ray_library()
    _require_listener(address)
    handler = signal.getsignal(signal.SIGTERM)
    options = {"include_dashboard": False} if address == "local" else {}
    try:
        try:
            with _beside_the_package(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.init(address, log_to_driver=False, logging_level="ERROR", **options)
        except Exception as error:  # Ray has no class of its own for this
            said = " ".join(str(error).split()) or type(error).__name__
            raise SqznetError(
                f"no Ray cluster at {path_for_messages(address)}: {printable(said, 300)} (if it "
                "asks for a token, set RAY_AUTH_MODE=token)"
            ) from None
        finally:
            # Ray has a handler of its own, which would end this command without a word.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _beside_the_package() -> Iterator[None]:
    """Ray's workers look for modules first in the folder in which it was connected, and that may be
    one with the sources of this package, without its compiled modules."""
    before = os.getcwd()
    os.chdir(os.path.dirname(os.path.dirname(sqznet.__file__)))
    try:
        yield
    finally:
        os.chdir(before)


def _require_listener(address: str) -> None:
    """Ray tries for minutes, and may end the process, where nothing listens."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT).close()
    except (OSError, OverflowError) as error:
        raise SqznetError(
            f"no Ray cluster at {path_for_messages(address)}: {error}; 'ray start --head' starts "
            "one, and says its address"
        ) from None


def cores(ray: Any) -> int:
    """Those of the cluster, now."""
    return int(ray.cluster_resources().get("CPU", 0))


def run(
    ray: Any,
    work: Work,
    partitions: Iterable[tuple[int, Sequence[str]]],
    folder: Folder,
    addresses: Mapping[str, str],
    notice: Callable[[str], None] = log,
) -> Iterator[Done]:
    """Yields each partition once its file is in the folder, in the order in which they end.

    One whose worker or node is lost is begun again, which ``notice`` is told.
    Raises SqznetError if a node cannot do its work: without memory, without the folder or sqznet.
    """
    exceptions = ray.exceptions
    lost = (
        exceptions.WorkerCrashedError,
        exceptions.NodeDiedError,
        exceptions.LocalRayletDiedError,
        exceptions.ObjectLostError,
        exceptions.OutOfMemoryError,
    )
    # Retried here, since Ray retries without end where the memory is full.
    task = ray.remote(num_cpus=1, max_retries=0)(_write)
    try:
        job = ray.put(_Job(work, folder, dict(addresses), sqznet.__version__))
    except Exception as error:  # with ray://, whatever the cluster raises where it reads this
        raise _cannot_work(error) from None
    waiting = iter(partitions)
    under_way: dict[Any, tuple[int, Sequence[str]]] = {}
    tries: Counter[int] = Counter()

    def begin(number: int, photos: Sequence[str]) -> None:
        tries[number] += 1
        under_way[task.remote(job, number, photos)] = (number, photos)

    warned = False
    while True:
        most = _AHEAD * max(1, cores(ray))
        while len(under_way) < most and (following := next(waiting, None)):
            begin(*following)
        if not under_way:
            return
        ready, _ = ray.wait(list(under_way), num_returns=1, timeout=_PATIENCE)
        if not ready and not warned and not cores(ray):
            notice("the cluster has no cores yet")
            warned = True
        for reference in ready:
            number, photos = under_way.pop(reference)
            try:
                outcome = ray.get(reference)
            except lost as error:
                why = _why_lost(error, isinstance(error, exceptions.OutOfMemoryError))
                if tries[number] == TRIES:
                    raise SqznetError(
                        f"partition {number}: given up after {TRIES} tries: {why}"
                    ) from None
                notice(f"partition {number} begins again: {why}")
                begin(number, photos)
            except exceptions.RayError as error:
                raise _cannot_work(error) from None
            else:
                if isinstance(outcome, SqznetError):
                    raise outcome
                yield outcome


def _why_lost(error: Exception, is_memory: bool) -> str:
    if is_memory:
        return (
            "a node is out of memory: start Ray there with fewer cores (ray start --num-cpus N), "
            "or stop other programs on it"
        )
    return f"its node or its worker is lost ({_last_line(error)})"


def _cannot_work(error: Exception) -> SqznetError:
    return SqznetError(
        "a node cannot do its work, which needs the same Python, sqznet and pyarrow as here: "
        f"{_last_line(error)}"
    )


def _last_line(error: Exception) -> str:
    """Of a traceback as Ray sends it, the line that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable(lines[-1] if lines else type(error).__name__, 300)


def _write(job: _Job, number: int, photos: Sequence[str]) -> Done | SqznetError:
    """Runs on a node: writes the file of a partition. Errors are returned: Ray would wrap them."""
    import platform

    decoding.prepare()  # without Pillow, no photo could be read
    node = f"the node {platform.node()}"
    if sqznet.__version__ != job.version:
        return SqznetError(
            f"{node} has sqznet {sqznet.__version__}, this machine has {job.version}: install the "
            "same on all"
        )
    try:
        content = job.work(_read(job, photos))
        if not job.folder.is_there():
            raise SqznetError(f"{job.folder.name}: is not a folder there; all nodes must share it")
        job.folder.write(file_name(number), content.data)
    except SqznetError as error:
        return SqznetError(f"on {node}: {error}")
    return Done(number, len(photos), content.failed)


def _read(job: _Job, photos: Sequence[str]) -> Iterator[Found]:
    """The photos, in order. Raises SqznetError if not one of them can be reached: then a bucket or
    a disk is missing here, and the photos may be sound."""
    is_remote = any("://" in path for path in photos)
    read = partial(fetched, addresses=job.addresses)
    reached, error = False, None
    for found in in_order(read, photos, _READERS if is_remote else 1):
        reached = reached or found.error is None
        error = found.error or error
        yield found
    if error is None or reached:
        return
    here = photos[0] if is_remote else os.path.dirname(photos[0])
    if not isinstance(error, MissingError) or not (is_remote or os.path.isdir(here)):
        raise SqznetError(f"no photo of {path_for_messages(here)} can be read there: {error}")
