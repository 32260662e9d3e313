"""How long a video is: whether it ends at all, and whether its file was cut short."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

# Formats whose size says nothing: that of a list of files, or of one picture of a stream.
_LISTS = ("hls", "dash", "mpjpeg", "rtsp", "sdp")
# Formats that are hardly ever sent by a camera, even if they state neither size nor length.
_FINITE = ("matroska", "gif", "apng")
# Formats that state how long they are; FFmpeg estimates the length of others.
_STATED = ("mov", "matroska")

_UNKNOWN_RIFF = (0, 0xFFFFFFFF)  # of a file that was written to a pipe
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_MOST_BOXES = 1000


def is_endless(opened: Any) -> bool:
    """Whether what PyAV opened at an address is a stream without an end, and not a file."""
    name = _name(opened)
    if opened.duration or name in _FINITE:
        return False
    return opened.size < 0 or name in _LISTS


def stated_length(opened: Any, path: str | None) -> float:
    """The seconds that a container says that it lasts, as far as it can be believed; else 0.

    path: its file, if it has one. The count of frames in a header says nothing: an edit list may
    skip frames, and those of an AVI file may be empty.
    """
    import av

    is_whole = None if path is None else has_all_bytes(path)
    if is_whole or (is_whole is None and _name(opened) not in _STATED):
        return 0.0
    stream = opened.streams.best("video")
    if _name(opened) == "avi":  # FFmpeg shortens the length to what is there
        return float(stream.frames / (stream.average_rate or 25))
    return float((opened.duration or 0) / av.time_base)


def has_all_bytes(path: str) -> bool | None:
    """Whether an MP4, QuickTime, Matroska, WebM or AVI file is as long as it says; None if it does
    not say, and for other formats."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(12)
            file.seek(0)
            if start[:4] == b"RIFF":
                announced = int.from_bytes(start[4:8], "little")
                return None if announced in _UNKNOWN_RIFF else size >= 8 + announced
            end = _end_of_segment(file) if start[:4] == _EBML else _end_of_boxes(file, size)
            return None if end is None else size >= end
    except OSError:
        return None


def _end_of_segment(file: BinaryIO) -> int | None:
    """Where the segment of a Matroska file ends (RFC 8794, 4 to 6): behind the EBML header."""
    file.seek(len(_EBML))
    header = _variable_size(file)
    if header is None:
        return None
    file.seek(header, os.SEEK_CUR)
    if file.read(len(_SEGMENT)) != _SEGMENT:
        return None
    segment = _variable_size(file)
    return None if segment is None else file.tell() + segment


def _variable_size(file: BinaryIO) -> int | None:
    """The size of an element: the number of leading zero bits is that of further bytes. All bits
    set mean that it is unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(more), "big") & ((1 << 7 * (more + 1)) - 1)
    return None if value == (1 << 7 * (more + 1)) - 1 else value


def _end_of_boxes(file: BinaryIO, size: int) -> int | None:
    """Where the last box of an MP4 or QuickTime file ends (ISO/IEC 14496-12, 4.2). Fragments tell
    nothing: there may have been more of them."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8 or head[4:8] == b"moof" or not head[4:8].isalnum():
            return at if at and len(head) < 8 else None
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if length == 0:
            return size
        if length < 8:
            return None
        at += length
    return None


def _name(opened: Any) -> str:
    """FFmpeg's name of the format, the first of several."""
    return str(opened.format.name).partition(",")[0]
