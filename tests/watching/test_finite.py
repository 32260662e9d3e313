"""Videos that end: every frame once, then the end, from files, pipes and web servers, whatever
their headers say; and an error only where something is missing."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

import sqznet
from sqznet import Sighting, SqznetError
from sqznet.watching.length import has_all_bytes, is_endless

from ..support.http_server import Server, serving
from ..support.watching import RAMP, Levels, animated, brightness, check_ramp, encoded, watched

av = pytest.importorskip("av", reason="PyAV is not installed: pip install av")

KINDS: dict[str, Callable[[], bytes]] = {
    "raw.h264": lambda: encoded(RAMP, "h264", "libx264"),
    "raw.m2v": lambda: encoded(RAMP, "mpeg2video", "mpeg2video"),
    "raw.mjpeg": lambda: encoded(RAMP, "mjpeg", "mjpeg"),
    "piped.mkv": lambda: encoded(RAMP, "matroska", "libx264", piped=True),
    "piped.webm": lambda: encoded(RAMP, "webm", "libvpx", piped=True),
    "piped.avi": lambda: encoded(RAMP, "avi", "mpeg4", piped=True),
    "piped.flv": lambda: encoded(RAMP, "flv", "flv", piped=True),
    "fragments.mp4": lambda: encoded(
        RAMP, "mp4", "libx264", piped=True, movflags="frag_keyframe+empty_moov"
    ),
    "file.mp4": lambda: encoded(RAMP, "mp4", "libx264"),
    "file.mkv": lambda: encoded(RAMP, "matroska", "libx264"),
    "file.avi": lambda: encoded(RAMP, "avi", "mpeg4"),
    "file.ts": lambda: encoded(RAMP, "mpegts", "libx264"),
}


KINDS = {name: cache(make) for name, make in KINDS.items()}


# --- Files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_of_a_file_whatever_it_states(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(KINDS[name]())
    # The times of these JPEG images are nowhere.
    check_ramp(watched(path, model=Levels(0.001)), 0.04 if name == "raw.mjpeg" else 0.1)


@pytest.mark.parametrize(
    "name",
    [
        *(f"28-video-without-duration/{name}" for name in ("ok.apng", "ok.mp4", "pipe.mkv")),
        "28-video-without-duration/raw.h264",
        "29-video-edit-list/phone_trim.mp4",
        *(f"30-avi-empty-chunks/{name}" for name in ("drops.avi", "ok.avi")),
    ],
)
def test_files_of_public_reports(shared: Path, name: str) -> None:
    path = shared / "cases" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    seen = watched(path)
    assert len(seen) == 20
    assert [s.time for s in seen] == sorted(s.time for s in seen)


def box(content: bytes, *names: bytes) -> int:
    """Where a box of an MP4 file begins, by the names of those around it and its own."""
    at, end = 0, len(content)
    for name in names:
        while content[at + 4 : at + 8] != name:
            at += int.from_bytes(content[at : at + 4], "big")
            assert at < end
        at, found = at + 8, at
    return found


@pytest.mark.parametrize(
    ("edits", "frames"),
    [
        ([(1000, 512)], 10),  # trimmed at both ends
        ([(10_000, 0)], 20),  # longer than the frames
        ([(300, -1), (2000, 0)], 20),  # begins later
        ([(500, 0), (500, 10240)], 10),  # the middle is left out
    ],
)
def test_an_edit_list_is_no_damage(
    tmp_path: Path, edits: list[tuple[int, int]], frames: int
) -> None:
    """FFmpeg applies it; the header still counts all frames."""
    content = bytearray(encoded(RAMP, "mp4", "libx264", movflags="faststart"))
    at = box(content, b"moov", b"trak", b"edts", b"elst")
    scale = int.from_bytes(
        content[(m := box(content, b"moov", b"trak", b"mdia", b"mdhd")) + 20 :][:4], "big"
    )
    assert scale == 10240, m
    entries = b"".join(struct.pack(">IiI", *edit, 1 << 16) for edit in edits)
    assert int.from_bytes(content[at : at + 4], "big") == 28
    grown = 12 * (len(edits) - 1)
    content[at : at + 28] = struct.pack(">I4sII", 28 + grown, b"elst", 0, len(edits)) + entries
    for names in ((b"moov",), (b"moov", b"trak"), (b"moov", b"trak", b"edts")):
        place = box(content, *names)
        size = int.from_bytes(content[place : place + 4], "big") + grown
        content[place : place + 4] = size.to_bytes(4, "big")
    offsets = box(content, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stco")
    count = int.from_bytes(content[offsets + 12 : offsets + 16], "big")
    for i in range(count):
        place = offsets + 16 + 4 * i
        moved = int.from_bytes(content[place : place + 4], "big") + grown
        content[place : place + 4] = moved.to_bytes(4, "big")
    path = tmp_path / "edited.mp4"
    path.write_bytes(content)
    assert abs(len(watched(path)) - frames) <= 1


def test_empty_chunks_are_no_damage(tmp_path: Path) -> None:
    """An AVI file has no times: where frames were dropped, it has chunks without bytes."""
    times = [i if i < 10 else i + 30 for i in range(20)]
    content = bytearray(encoded(RAMP, "avi", "mpeg4", times=times))
    for gone in (0, 25):  # ends in such chunks, which FFmpeg passes over
        header = content.index(b"strh") + 8 + 32
        assert int.from_bytes(content[header : header + 4], "little") == 50
        path = tmp_path / "dropped.avi"
        path.write_bytes(
            content[:header] + (50 + gone).to_bytes(4, "little") + content[header + 4 :]
        )
        assert brightness(watched(path)) == pytest.approx(RAMP, abs=5)


@pytest.mark.parametrize(
    ("name", "format", "codec", "options"),
    [
        ("cut.mp4", "mp4", "libx264", {"movflags": "faststart"}),
        ("cut.mov", "mov", "libx264", {"movflags": "faststart"}),
        ("cut.mkv", "matroska", "libx264", {}),
        ("cut.webm", "webm", "libvpx", {}),
        ("cut.avi", "avi", "mpeg4", {}),
    ],
)
def test_a_file_that_was_cut_short(
    tmp_path: Path, name: str, format: str, codec: str, options: dict[str, str]
) -> None:
    content = encoded([100] * 60, format, codec, noise=40, **options)
    path = tmp_path / name
    for share in (1.0, 0.8, 0.5):
        path.write_bytes(content[: int(share * len(content))])
        if share == 1:
            assert len(watched(path)) == 60
            continue
        seen: list[Sighting] = []
        with pytest.raises(SqznetError, match=rf"{name}: (ends|damaged) after \d\.\d s") as caught:
            seen.extend(sqznet.watch(path, model=Levels()))
        assert "\n" not in str(caught.value)
        assert share * 60 * 0.4 < len(seen) < 60


def test_what_follows_a_video_is_no_damage(tmp_path: Path) -> None:
    """And a length that is wrong in a file that is whole."""
    for name in ("file.mp4", "file.mkv", "file.avi"):
        path = tmp_path / name
        path.write_bytes(KINDS[name]() + bytes(100))
        check_ramp(watched(path))
        assert has_all_bytes(str(path)) is not False
    content = KINDS["file.mkv"]()
    at = content.index(b"\x44\x89\x88") + 3
    assert struct.unpack(">d", content[at : at + 8]) == (2000.0,)
    path.write_bytes(content[:at] + struct.pack(">d", 9000) + content[at + 8 :])
    check_ramp(watched(path))


@pytest.mark.parametrize("name", ["file.mp4", "fragments.mp4", "file.mkv", "piped.mkv", "file.avi"])
def test_whether_all_bytes_are_there(tmp_path: Path, name: str) -> None:
    content = KINDS[name]()
    path = tmp_path / name
    says = name.startswith("file")
    path.write_bytes(content)
    assert has_all_bytes(str(path)) is (True if says else None)
    for size in range(0, len(content) - 1, 101):
        path.write_bytes(content[:size])
        assert has_all_bytes(str(path)) in (
            (False, None) if says and size > 50 else (None, True, False)
        )


@pytest.mark.parametrize("name", ["raw.h264", "file.ts"])
def test_a_recording_that_begins_between_key_frames(tmp_path: Path, name: str) -> None:
    """What comes before the first key frame cannot be decoded; the rest can."""
    levels = [100] * 30
    content = encoded(levels, {"raw.h264": "h264", "file.ts": "mpegts"}[name], "libx264", noise=9)
    path = tmp_path / name
    path.write_bytes(content[len(content) // 4 // 188 * 188 :])
    assert 5 < len(watched(path)) < 30


def test_a_video_without_a_single_frame(tmp_path: Path) -> None:
    path = tmp_path / "damaged.h264"
    content = encoded([100] * 30, "h264", "libx264", noise=9)
    path.write_bytes(content[:400])  # parameters, and a piece of the first frame
    with pytest.raises(SqznetError, match=r"damaged\.h264: "):
        watched(path)


# --- Pipes -----------------------------------------------------------------------------------


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[Callable[[bytes], Path]]:
    """Gives a FIFO into which a thread writes this content."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs FIFOs")
    path, threads = tmp_path / "pipe", []

    def write(content: bytes) -> None:
        with open(path, "wb", buffering=0) as file:
            for at in range(0, len(content), 5000):
                file.write(content[at : at + 5000])

    def start(content: bytes) -> Path:
        if not path.exists():
            os.mkfifo(path)
        threads.append(threading.Thread(target=write, args=(content,), daemon=True))
        threads[-1].start()
        return path

    yield start
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


PIPED = ["raw.h264", "raw.mjpeg", "piped.mkv", "piped.webm", "piped.avi", "file.mp4", "file.ts"]


@pytest.mark.parametrize("name", PIPED)
def test_every_frame_that_comes_out_of_a_pipe(name: str, piped: Callable[[bytes], Path]) -> None:
    path = piped(KINDS[name]())
    check_ramp(watched(path, model=Levels(0.01)), 0.04 if name == "raw.mjpeg" else 0.1)


def test_an_index_behind_the_frames_in_a_pipe(piped: Callable[[bytes], Path]) -> None:
    """More than FFmpeg keeps in memory to go back to."""
    content = encoded([100] * 100, "mp4", "libx264", noise=60)
    assert len(content) > 100_000
    assert content.index(b"mdat") < content.index(b"moov")
    assert len(watched(piped(content))) == 100


def test_an_animation_and_nothing_in_a_pipe(piped: Callable[[bytes], Path]) -> None:
    check_ramp(watched(piped(animated("GIF"))))
    with pytest.raises(SqznetError, match="pipe: no format that FFmpeg reads"):
        watched(piped(b""))


# --- Web servers -----------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    """It always sends the whole file."""
    with serving(b"") as told:
        told.ranges = False
        yield told


@pytest.mark.parametrize("name", ["raw.h264", "raw.mjpeg", "piped.mkv", "piped.webm", "file.ts"])
def test_a_file_of_known_size_at_an_address_ends(server: Server, name: str) -> None:
    server.content = KINDS[name]()
    check_ramp(watched(server.url, model=Levels(0.01)), 0.04 if name == "raw.mjpeg" else 0.1)
    assert len(server.asked) == 1


@pytest.mark.parametrize("says_close", [True, False])
@pytest.mark.parametrize("name", ["piped.mkv", "piped.webm", "file.mkv", "fragments.mp4"])
def test_a_file_of_unknown_size_at_an_address_ends(
    server: Server, name: str, says_close: bool
) -> None:
    server.content = KINDS[name]()
    server.has_length, server.says_close = False, says_close
    check_ramp(watched(server.url, model=Levels(0.01)))


@pytest.mark.parametrize(
    ("format", "size", "duration", "endless"),
    [
        ("matroska,webm", 9000, None, False),
        ("matroska,webm", -38, None, False),
        ("mpegts", 9000, None, False),
        ("mpegts", -38, None, True),
        ("flv", -38, 0, True),
        ("flv", -38, 2_000_000, False),
        ("mov,mp4,m4a,3gp,3g2,mj2", -38, None, True),  # fragments, as cameras send them
        ("mpjpeg", 9000, None, True),
        ("hls", 300, None, True),  # the size of the playlist
        ("hls", 300, 2_000_000, False),
        ("rtsp", -22, None, True),
    ],
)
def test_which_addresses_are_streams_without_an_end(
    format: str, size: int, duration: int | None, endless: bool
) -> None:
    opened = SimpleNamespace(format=SimpleNamespace(name=format), size=size, duration=duration)
    assert is_endless(opened) == endless


@pytest.mark.parametrize("has_length", [True, False])
def test_an_index_behind_the_frames_at_an_address(server: Server, has_length: bool) -> None:
    server.content = encoded([100] * 100, "mp4", "libx264", noise=60)
    server.has_length = has_length
    address = server.url.replace("://", "://me:se%3Acret@")
    assert len(watched(address)) == 100


def test_a_transfer_that_breaks_off(server: Server) -> None:
    server.content = encoded([100] * 60, "matroska", "libx264", noise=60)
    server.faults = ["cut"]
    seen: list[Sighting] = []
    with pytest.raises(SqznetError, match=r"weights.pth: (damaged|ends) after"):
        seen.extend(sqznet.watch(server.url, model=Levels()))
    assert 10 < len(seen) < 60


def test_no_video_at_an_address(server: Server) -> None:
    server.content = b"<!DOCTYPE html><p>Not here." * 99
    with pytest.raises(SqznetError, match="no format that FFmpeg reads"):
        watched(server.url)
