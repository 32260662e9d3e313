"""Where a server's requests come in: what they may be, and how they are passed on to threads."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from sqznet.errors import shown
from sqznet.serving.batching import Batcher, Task
from sqznet.serving.connection import long_body
from sqznet.serving.memory import Trimmer
from sqznet.serving.metrics import Metrics
from sqznet.serving.problems import CLIENT_LEFT, Problem, busy
from sqznet.serving.served import Models, Served
from sqznet.serving.settings import Limits
from sqznet.serving.sought import Sought

_HOW = "send the bytes of an image file as the body, or as the one file of a form"

_RECEIVED = "received"  # in the state of a request whose body is complete

# How much the latest request counts for the mean time of an answer.
_LATEST = 0.1


class Desk:
    """The models and the detector of a server, its threads, and how many requests it has.

    ``inside``: requests that are received or answered now; ``mean_seconds``: how long one takes.
    """

    def __init__(self, models: Models, sought: Sought, limits: Limits) -> None:
        self.models, self.sought, self.limits = models, sought, limits
        self.metrics = Metrics()
        self.inside = 0
        self.mean_seconds = 0.0
        self._trimmer = Trimmer()
        self._batcher = Batcher(models.threads, limits.batch, limits.wait, self.metrics.batch)
        self.metrics.watch(lambda: self.inside, lambda: self._batcher.waiting)

    def close(self) -> None:
        self._batcher.close()

    def enter(self) -> None:
        """Counts a request. Raises Problem if there are too many."""
        if self.inside >= self.limits.queue:
            raise busy(429, f"{self.inside} requests are waiting already", self.mean_seconds)
        self.inside += 1

    def leave(self, seconds: float) -> None:
        self.inside -= 1
        self.mean_seconds += _LATEST * (seconds - self.mean_seconds)
        self._trimmer.after_request()

    def model(self, name: str | None) -> Served:
        """The model with this name; None: the first. Raises Problem for an unknown one."""
        if (found := self.models.get(name)) is None:
            known = ", ".join(repr(served.name) for served in self.models)
            raise Problem(404, f"no model {shown(name)}, expected one of {known}")
        return found

    def ready_model(self, name: str | None) -> Served:
        """The same; raises Problem as well for one that has no classes."""
        found = self.model(name)
        if not found.is_ready:
            raise Problem(409, f"model {found.name!r} {found.lack}")
        return found

    async def body(self, request: Request) -> bytes | memoryview:
        """The body of a request. Raises Problem if it is too large."""
        if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
            raise Problem(415, f"Content-Encoding is {shown(encoding)}, expected none")
        most = self.limits.body
        declared = request.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared[:19]) > most:
            raise _too_large(most)
        return await _received(request, most)

    async def photo(self, request: Request) -> bytes:
        """The file in a body: the body itself, or the one file of a form."""
        body = bytes(await self.body(request))
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            body = await _file_of(request.headers, body)
        if not body:
            raise Problem(400, f"no photo: {_HOW}")
        return body

    def ask(self, task: Task, item: Any) -> Awaitable[Any]:
        """The answer of a task for an item."""
        return self._batcher.run(task, item)

    def late(self, request_state: Mapping[str, Any]) -> Problem:
        """Why a request has not been answered in its time."""
        seconds = self.limits.seconds
        if not request_state.get(_RECEIVED):
            return Problem(408, f"the request was not complete after {seconds:g} s")
        return busy(503, f"no answer within {seconds:g} s", self.mean_seconds)


def query(request: Request, *names: str) -> Mapping[str, str]:
    """The parameters of a request. Raises Problem for one that is unknown or stands twice."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in names:
            expected = ", ".join(names) if names else "none"
            raise Problem(400, f"unknown parameter {shown(name)}, expected {expected}")
        if name in found:
            raise Problem(400, f"the parameter {name} stands twice")
        found[name] = value
    return found


def one_of(parameters: Mapping[str, str], name: str, values: Iterable[str], default: str) -> str:
    """Raises Problem for another value."""
    value = parameters.get(name, default)
    if value not in values:
        raise Problem(400, f"{name} is {shown(value)}, expected {' or '.join(values)}")
    return value


def count(parameters: Mapping[str, str], name: str, default: int) -> int:
    """Raises Problem for something else than a whole number from 1 up."""
    value = parameters.get(name, str(default))
    if not (value.isascii() and value.isdigit() and int(value[:19])):
        raise Problem(400, f"{name} is {shown(value)}, expected a whole number from 1 up")
    return int(value[:19])


def share(parameters: Mapping[str, str], name: str, default: float) -> float:
    """Raises Problem for something else than a number from 0 to 1."""
    text = parameters.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise Problem(400, f"{name} is {shown(text)}, expected a number from 0 to 1")
    return value


async def _received(request: Request, most: int) -> bytes | memoryview:
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > most:
                raise _too_large(most)
            pieces.append(piece)
    except ClientDisconnect:
        raise Problem(CLIENT_LEFT, "the client left") from None
    state = request.scope["state"]
    state[_RECEIVED] = True
    return long_body(state) or b"".join(pieces)


def _too_large(most: int) -> Problem:
    return Problem(413, f"the body is larger than {most} bytes, which this server takes at most")


async def _file_of(headers: Headers, body: bytes) -> bytes:
    async def pieces() -> Any:
        yield body

    try:
        parser = MultiPartParser(headers, pieces(), max_files=1, max_fields=0)
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:  # KeyError: no boundary
        reason = str(getattr(error, "message", "it names no boundary")).rstrip(".")
        raise Problem(400, f"the form cannot be read: {reason}; {_HOW}") from None
    try:
        for _, value in form.multi_items():
            if isinstance(value, UploadFile):
                return await value.read()
    finally:
        await form.close()
    raise Problem(400, f"the form has no file: {_HOW}")
