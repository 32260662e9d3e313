"""Which names stand for remote files, and the requests to Hugging Face's library."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from sqznet.errors import WeightsError
from sqznet.weights import hub, known

from ..support.isolated import run_script


@pytest.mark.parametrize("name", [*hub.FILES, "hf://a/b/c.onnx", "torchvision/squeezenet9_9",
                                  "squeezenet1_0", "https://a/b.pth"])  # fmt: skip
def test_remote_names(name: str) -> None:
    assert hub.is_remote(name)


@pytest.mark.parametrize(
    "name", [None, Path("torchvision/squeezenet1_1"), "a.pth", "./torchvision/x", "./resnet"]
)
def test_what_is_not_a_remote_name(name: object) -> None:
    assert not hub.is_remote(name)


def test_a_file_in_a_folder_named_like_a_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "mine.pth").touch()
    assert not hub.is_remote("torchvision/mine.pth")
    assert hub.is_remote("torchvision/yours.pth")


def test_the_error_for_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        WeightsError, match=r"squeezenet9_9: no such file.*torchvision/squeezenet1_0"
    ):
        hub.fetch("torchvision/squeezenet9_9")


def test_hashes_match_the_urls_and_the_known_files() -> None:
    hashes = {file.sha256 for file in known.KNOWN}
    for name, remote in hub.FILES.items():
        assert remote.url.startswith("https://")
        assert remote.sha256 in hashes
        if name.startswith("torchvision/"):
            assert remote.file_name == f"{name.partition('/')[2]}-{remote.sha256[:8]}.pth"


def test_asking_whether_a_name_is_remote_imports_no_network() -> None:
    run_script(
        """
        import sys
        from sqznet.weights import hub
        assert hub.is_remote("torchvision/squeezenet1_1")
        heavy = {"urllib.request", "http.client", "socket", "ssl", "hashlib", "platformdirs"}
        found = heavy & set(sys.modules)
        assert not found, found
        """
    )


@pytest.fixture
def hugging_face(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The requests to a fake of the library."""
    asked: list[dict[str, Any]] = []

    def hf_hub_download(**arguments: Any) -> str:
        asked.append(arguments)
        if arguments["filename"] == "absent.onnx":
            raise LookupError("404\nnot there")
        return "/huggingface/file"

    stand_in = types.ModuleType("huggingface_hub")
    stand_in.hf_hub_download = hf_hub_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", stand_in)
    monkeypatch.delenv("SQZNET_OFFLINE", raising=False)
    return asked


def test_hugging_face(hugging_face: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub.fetch("hf://someone/nets/sub/a.onnx@v1.0") == "/huggingface/file"
    monkeypatch.setenv("SQZNET_OFFLINE", "1")
    assert hub.fetch("hf://someone/nets/a.onnx") == "/huggingface/file"
    common = {"repo_id": "someone/nets"}
    assert hugging_face == [
        {**common, "filename": "sub/a.onnx", "revision": "v1.0", "local_files_only": False},
        {**common, "filename": "a.onnx", "revision": None, "local_files_only": True},
    ]


def test_hugging_face_fails(
    hugging_face: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        WeightsError, match=r"absent\.onnx: cannot be downloaded: LookupError: 404 not"
    ):
        hub.fetch("hf://someone/nets/absent.onnx")
    monkeypatch.setenv("SQZNET_OFFLINE", "1")
    with pytest.raises(WeightsError, match="not in Hugging Face's cache"):
        hub.fetch("hf://someone/nets/absent.onnx")


@pytest.mark.parametrize("name", ["a/b", "a//b", "a/b/", "a/b/../c", "a/b/c@", ""])
def test_hugging_face_names(hugging_face: list[dict[str, Any]], name: str) -> None:
    with pytest.raises(WeightsError, match="expected hf://owner/repository/file"):
        hub.fetch(f"hf://{name}")
    assert hugging_face == []


def test_without_hugging_faces_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=r"pip install huggingface_hub$"):
        hub.fetch("hf://someone/nets/a.onnx")
