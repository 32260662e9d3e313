"""Videos from servers that send nothing but whole files."""

from __future__ import annotations

from base64 import b64encode
from typing import IO, TYPE_CHECKING

from sqznet.errors import SqznetError, printable, reason_of

if TYPE_CHECKING:
    from http.client import HTTPResponse

# Seconds for the whole transfer.
_LONGEST = 600.0
_MAX_BYTES = 1 << 30
_BLOCK = 1 << 18


def fetched(address: str, name: str) -> IO[bytes] | None:
    """A file without a name that holds what is at an http:// or https:// address.

    None for other addresses, for a server that sends parts of a file (then FFmpeg has read what it
    needed), and for a camera's stream of pictures. Redirections never lead from https to another
    scheme. Raises SqznetError, beginning with ``name``, if it is not available, larger than 1 GiB,
    or not complete after ten minutes.
    """
    if not address.lower().startswith(("http://", "https://")):
        return None
    from http.client import HTTPException

    from sqznet.files.connections import Deadline, opened

    deadline = Deadline(_LONGEST)
    try:
        plain, headers = _request(address)
        with deadline.enforced(), opened(plain, headers, deadline) as response:
            is_stream = response.headers.get_content_maintype() == "multipart"
            if response.status != 200 or is_stream:
                return None
            file = _received(response)
        if not deadline.has_passed():
            return file
        file.close()
        why = ""
    except (OSError, HTTPException, ValueError) as error:
        why = reason_of(error)
    if deadline.has_passed():
        why = f"not complete after {_LONGEST:.0f} seconds"
    raise SqznetError(f"{name}: cannot be downloaded: {printable(why, 200)}")


def _request(address: str) -> tuple[str, dict[str, str]]:
    """The address without user and password, and the headers."""
    from urllib.parse import unquote, urlsplit

    headers = {"User-Agent": "sqznet", "Accept-Encoding": "identity", "Range": "bytes=0-"}
    parts = urlsplit(address)
    user, found, host = parts.netloc.rpartition("@")
    if found:
        headers["Authorization"] = "Basic " + b64encode(unquote(user).encode()).decode()
    return parts._replace(netloc=host).geturl(), headers


def _received(response: HTTPResponse) -> IO[bytes]:
    from tempfile import TemporaryFile

    file = TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
    try:
        while block := response.read1(_BLOCK):
            file.write(block)
            if file.tell() > _MAX_BYTES:
                raise OSError(f"more than {_MAX_BYTES >> 30} GiB from a server that sends no parts")
        if response.length:  # what is missing of the stated length
            raise OSError(f"the connection broke off {response.length} bytes before the end")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
