"""Finds weights files by name: official files, downloaded once into a cache, and Hugging Face's.

Environment: SQZNET_CACHE sets the cache folder; SQZNET_OFFLINE=1 forbids using the network.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from sqznet.errors import WeightsError, printable, reason_of

_HUGGING_FACE = "hf://"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Remote:
    """A published file. sha256: its hash in hex, or the known beginning of it."""

    url: str
    sha256: str

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]


def _zoo(name: str, sha256: str) -> Remote:
    return Remote(f"https://huggingface.co/onnxmodelzoo/{name}/resolve/main/{name}.onnx", sha256)


#: By the name for `sqznet.load`; the part before the slash is a folder in the cache. torchvision
#: puts the first eight digits of the hash into the file names; for 1.0, no more is published. The
#: ONNX zoo's hashes are from its Git LFS pointers.
FILES = {
    "torchvision/squeezenet1_0": Remote(
        "https://download.pytorch.org/models/squeezenet1_0-b66bff10.pth", "b66bff10"
    ),
    "torchvision/squeezenet1_1": Remote(
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
    ),
    "onnx-zoo/squeezenet1.0-12": _zoo(
        "squeezenet1.0-12", "dec81a8684617770b3cf13fadc1d92565d1d453d23935fc6388b792d99c992bd"
    ),
    "onnx-zoo/squeezenet1.1-7": _zoo(
        "squeezenet1.1-7", "1eeff551a67ae8d565ca33b572fc4b66e3ef357b0eb2863bb9ff47a918cc4088"
    ),
}


def is_remote(name: object) -> bool:
    """Whether this is for `fetch`, even if unknown: a name or a URL, not a path.

    The path of an existing file is not, unless it is a known name; a leading ``./`` marks a path.
    """
    if not isinstance(name, str):
        return False
    if name in FILES or name.startswith(_HUGGING_FACE):
        return True
    collections = {name.partition("/")[0] for name in FILES}
    is_name = name.isidentifier() or name.partition("/")[0] in collections
    return (is_name or "://" in name) and not os.path.lexists(name)


def fetch(name: str) -> str:
    """The path of the file with this name, downloaded if it is not in the cache.

    ``name`` is a key of ``FILES``, or ``hf://owner/repository/file``, optionally followed by
    ``@revision`` (default: the newest). The hash of a key's file is checked every time.
    Raises WeightsError if the name is unknown, or if the file is not available or not the published
    one; the message says where the file is and where to put it manually.
    """
    if name.startswith(_HUGGING_FACE):
        return _from_hugging_face(name)
    if name not in FILES:
        raise WeightsError(
            f"{printable(name)}: no such file, and not a known name; expected the path of "
            f"a file or one of {', '.join(FILES)}"
        )
    remote = FILES[name]
    path = os.path.join(cache_folder(), name.partition("/")[0], remote.file_name)
    if matches(path, remote.sha256):
        return path
    by_hand = f"download {remote.url} and put it at {printable(path)}"
    if is_offline():
        state = "is damaged" if os.path.exists(path) else "is not"
        raise WeightsError(
            f"{name} {state} in the cache, and SQZNET_OFFLINE forbids downloading it; {by_hand}"
        )
    from sqznet.weights import hub_download

    try:
        with hub_download.locked(path) as deadline:
            if not matches(path, remote.sha256):  # another process may have downloaded it meanwhile
                hub_download.download(
                    remote.url, path, lambda part: matches(part, remote.sha256), deadline
                )
    except WeightsError as error:
        raise WeightsError(f"{name}: {error}; or {by_hand}") from None
    except (OSError, ValueError) as error:  # ValueError: a path that no file system can have
        raise WeightsError(
            f"{name}: cannot be written to {printable(path)}: {reason_of(error)}; "
            f"SQZNET_CACHE can name another folder; or {by_hand}"
        ) from None
    return path


def name_of(path: str) -> str | None:
    """The name whose downloaded file this is. Raises WeightsError as `cache_folder` does."""
    folder = cache_folder()
    for name, remote in FILES.items():
        if path == os.path.join(folder, name.partition("/")[0], remote.file_name):
            return name
    return None


def cache_folder() -> str:
    """The folder for downloads: SQZNET_CACHE, or the platform's cache folder of the user.

    Raises WeightsError if platformdirs is needed but not installed.
    """
    if folder := os.environ.get("SQZNET_CACHE"):
        return os.path.abspath(os.path.expanduser(folder))
    try:
        import platformdirs
    except ImportError:
        raise WeightsError(
            "platformdirs, which finds the folder for caches, is not installed: "
            "pip install platformdirs (or set SQZNET_CACHE to a folder)"
        ) from None
    return platformdirs.user_cache_dir("sqznet", appauthor=False)


def is_offline() -> bool:
    """Whether SQZNET_OFFLINE is set to anything but 0."""
    return os.environ.get("SQZNET_OFFLINE", "") not in ("", "0")


def matches(path: str, sha256: str) -> bool:
    """Whether it is a regular file and its hash begins with `sha256`."""
    import hashlib

    digest = hashlib.sha256()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading a pipe would wait for its other end
            return False
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except (OSError, ValueError):  # absent or unreadable, or no path at all
        return False
    return digest.hexdigest().startswith(sha256)


def _from_hugging_face(address: str) -> str:
    name, _, revision = address.removeprefix(_HUGGING_FACE).partition("@")
    parts = name.split("/")
    if len(parts) < 3 or not all(parts) or ".." in parts or address.endswith("@"):
        raise WeightsError(
            f"{printable(address)}: expected hf://owner/repository/file or "
            "hf://owner/repository/file@revision"
        )
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise WeightsError(
            f"{printable(address)}: huggingface_hub is not installed: pip install huggingface_hub"
        ) from None
    try:
        path: str = hf_hub_download(
            repo_id="/".join(parts[:2]),
            filename="/".join(parts[2:]),
            revision=revision or None,
            local_files_only=is_offline(),
        )
    except Exception as error:  # its own, its HTTP library's or the system's
        reason = " ".join(str(error).split())[:200]
        why = "it is not in Hugging Face's cache, or " if is_offline() else ""
        found = f"{type(error).__name__}: {printable(reason)}"
        raise WeightsError(f"{printable(address)}: cannot be downloaded: {why}{found}") from None
    return path
