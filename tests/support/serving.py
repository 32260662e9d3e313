"""A server of this package in a thread, and requests to it over real connections."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # by lower-case names
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        text: str = self.json["error"]
        return text


class Running:
    """A server that answers at ``url``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._address = urlsplit(url).netloc

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=30)

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, None, headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("POST", path, body, headers)

    def send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        connection = self.connection()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, named)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()


@contextmanager
def running(models: Sequence[Any], settings: Any) -> Iterator[Running]:
    """A server of these models, on any free port, until the block ends."""
    from sqznet.detection.loading import BUNDLED
    from sqznet.serving.server import Server
    from sqznet.serving.sought import Sought

    sought = Sought(BUNDLED(), settings.limits.pixels)
    server = Server(models, sought, settings._replace(port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Running(server.url)
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()


def form(
    body: bytes, name: str = "photo", file_name: str | None = "photo.jpg"
) -> tuple[bytes, str]:
    """A form with one part, and its content type."""
    mark = "boundary-of-the-form"
    kind = "" if file_name is None else f'; filename="{file_name}"'
    head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"{kind}\r\n\r\n'
    return head.encode() + body + f"\r\n--{mark}--\r\n".encode(), (
        f"multipart/form-data; boundary={mark}"
    )
