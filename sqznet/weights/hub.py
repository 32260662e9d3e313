"""Weights files by name: the official ones, downloaded once into a cache, and Hugging Face's.

Settings: SQZNET_CACHE moves the cache; SQZNET_OFFLINE=1 forbids any use of the network.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from sqznet.errors import WeightsError, printable, reason_of

_HUGGING_FACE = "hf://"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Remote:
    """A file that its authors publish. sha256: its hash in hex, or as much as is known of it."""

    url: str
    sha256: str

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]


def _zoo(name: str, sha256: str) -> Remote:
    return Remote(f"https://huggingface.co/onnxmodelzoo/{name}/resolve/main/{name}.onnx", sha256)


#: By the name that `sqznet.load` takes; the part before the slash is a folder of the cache.
#: torchvision writes the first eight digits of the hash into its files' names; more is not
#: published for 1.0. The ONNX zoo's are those of its Git LFS pointers.
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
    """Whether `fetch` is for this, be it to say that it is unknown: a name or a URL, no path.

    A path to a file that exists is none, unless it is a known name; ``./`` before it helps.
    """
    if not isinstance(name, str):
        return False
    if name in FILES or name.startswith(_HUGGING_FACE):
        return True
    collections = {name.partition("/")[0] for name in FILES}
    is_name = name.isidentifier() or name.partition("/")[0] in collections
    return (is_name or "://" in name) and not os.path.lexists(name)


def fetch(name: str) -> str:
    """The path of the file of this name, downloaded if it is not in the cache.

    ``name`` is a key of ``FILES``, or ``hf://owner/repository/file``, with ``@revision`` behind
    it if not the newest is wanted. The hash of a key's file is checked every time.
    Raises WeightsError if the name is unknown, the file cannot be had, or is not what it should
    be; the message says where it is and where to put it by hand.
    """
    if name.startswith(_HUGGING_FACE):
        return _from_hugging_face(name)
    if name not in FILES:
        raise WeightsError(
            f"{printable(name)}: no such file, and no name that is known; expected the path of "
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
            f"{name} {state} in the cache, and SQZNET_OFFLINE forbids to download it; {by_hand}"
        )
    from sqznet.weights import hub_download

    try:
        with hub_download.locked(path):
            if not matches(path, remote.sha256):  # another process may have fetched it meanwhile
                hub_download.download(remote.url, path, lambda part: matches(part, remote.sha256))
    except WeightsError as error:
        raise WeightsError(f"{name}: {error}; or {by_hand}") from None
    except OSError as error:
        raise WeightsError(
            f"{name}: cannot be written to {printable(path)}: {reason_of(error)}; "
            f"SQZNET_CACHE can name another folder; or {by_hand}"
        ) from None
    return path


def cache_folder() -> str:
    """Where downloads are kept: SQZNET_CACHE, else the platform's folder for a user's caches.

    Raises WeightsError if platformdirs is needed and not installed.
    """
    if folder := os.environ.get("SQZNET_CACHE"):
        return os.path.abspath(os.path.expanduser(folder))
    try:
        import platformdirs
    except ImportError:
        raise WeightsError(
            "platformdirs, which finds the folder for caches, is not installed: "
            "pip install sqznet[hub] (or set SQZNET_CACHE to a folder)"
        ) from None
    return platformdirs.user_cache_dir("sqznet", appauthor=False)


def is_offline() -> bool:
    """Whether SQZNET_OFFLINE is set to anything but 0."""
    return os.environ.get("SQZNET_OFFLINE", "") not in ("", "0")


def matches(path: str, sha256: str) -> bool:
    """Whether there is a file with a hash that begins so."""
    import hashlib

    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:  # absent, or not to be read
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
    except Exception as error:  # of its own kinds, of its HTTP library's, of the system's
        reason = " ".join(str(error).split())[:200]
        why = "it is not in Hugging Face's cache, or " if is_offline() else ""
        raise WeightsError(
            f"{printable(address)}: cannot be had: {why}{type(error).__name__}: {printable(reason)}"
        ) from None
    return path
