"""Videos through PyAV: frames and times, truncated files, streams, and annotated videos."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet import Sighting, SqznetError
from sqznet.watching import annotate, newest, video

from ..support.http_server import serving
from ..support.watching import Levels, flat, real_clip, write_clip

av = pytest.importorskip("av", reason="PyAV is not installed: pip install av")

RAMP = [20 + 5 * i for i in range(40)]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "ramp.mp4"
    write_clip(path, RAMP, movflags="faststart")
    return path


def watched(source: Any, **options: Any) -> list[Sighting]:
    return list(sqznet.watch(source, model=Levels(), smoothing=0, **options))


def brightness(sighting: Sighting) -> float:
    return float(sighting.picture.to_rgb().mean())


def test_every_frame_of_a_file(clip: Path) -> None:
    seen = watched(clip)
    assert [s.time for s in seen] == pytest.approx([i / 25 for i in range(40)], abs=1e-3)
    assert [brightness(s) for s in seen] == pytest.approx(RAMP, abs=4)
    assert sum(s.dropped for s in seen) == 0
    assert (seen[0].picture.height, seen[0].picture.width) == (48, 64)


def test_some_frames_of_a_file(clip: Path) -> None:
    def times(**options: Any) -> list[float]:
        return [round(25 * s.time) for s in watched(clip, **options)]

    assert times(every=7) == [0, 7, 14, 21, 28, 35]
    assert times(fps=5) == [0, 5, 10, 15, 20, 25, 30, 35]
    assert times(fps=10) == [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30, 33, 35, 38]
    assert times(fps=1000) == list(range(40))


def test_colors_match_those_of_ffmpeg() -> None:
    """The planes are read in place; FFmpeg's own conversion differs by rounding."""
    path = real_clip("bikes.mp4")
    seen = list(itertools.islice(sqznet.watch(path, model=Levels()), 5))
    with av.open(str(path)) as container:
        for sighting, frame in zip(seen, container.decode(video=0), strict=False):
            expected = frame.to_ndarray(format="rgb24").astype(int)
            difference = np.abs(sighting.picture.to_rgb() - expected)
            assert difference.mean() < 2
            assert np.percentile(difference, 99) <= 4


@pytest.mark.parametrize("name", ["bikes.mp4", "bigbuckbunny.mp4"])
def test_real_clips_to_their_end(name: str, coarse: Path) -> None:
    path = real_clip(name)
    seen = list(sqznet.watch(path, model=sqznet.load(coarse), every=90))
    with av.open(str(path)) as container:
        assert len(seen) == -(-container.streams.video[0].frames // 90)
    assert all(0 < s.shown.score <= 1 for s in seen)


@pytest.mark.parametrize("format", ["yuv420p", "yuvj420p", "nv12", "rgb24", "gray", "yuv422p10le"])
def test_frames_in_many_formats(format: str) -> None:
    rgb = np.zeros((36, 50, 3), np.uint8)
    rgb[:, :25] = (200, 60, 30)
    rgb[:, 25:] = (90, 90, 90)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=format)
    expected = frame.to_ndarray(format="rgb24").astype(int)
    difference = np.abs(video.to_frame(frame).to_rgb() - expected)
    assert difference[:, 2:20].max() <= 3
    assert difference[:, 30:].max() <= 3


def test_a_rotated_video_is_turned_upright() -> None:
    rgb = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)

    class Turned:
        """A frame with a display matrix, which PyAV can read but not write."""

        rotation = -90.0
        format = av.VideoFormat("rgb24")
        _frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        planes, height, width = _frame.planes, 4, 6

    turned = video.to_frame(Turned()).to_rgb()
    np.testing.assert_array_equal(turned, np.rot90(rgb, -1))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_truncated_video(tmp_path: Path, suffix: str) -> None:
    """The frames that exist are classified; then there is one clear error."""
    path = tmp_path / f"whole{suffix}"
    write_clip(path, [100] * 150, **({"movflags": "faststart"} if suffix == ".mp4" else {}))
    assert len(watched(path)) == 150
    content = path.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for share in (0.5, 0.8):
        cut.write_bytes(content[: int(share * len(content))])
        seen: list[Sighting] = []
        with pytest.raises(
            SqznetError, match=r"cut\.m\w+: (ends|damaged) after \d\.\d s"
        ) as caught:
            seen.extend(sqznet.watch(cut, model=Levels()))
        assert "\n" not in str(caught.value)
        assert share * 150 * 0.6 < len(seen) < 150


def test_a_video_without_its_index(tmp_path: Path) -> None:
    path = tmp_path / "index_at_end.mp4"
    write_clip(path, RAMP)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(SqznetError, match=r"index_at_end.mp4: no format that FFmpeg reads"):
        sqznet.watch(path)


def test_files_without_video_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("These are notes.\n" * 50)
    with pytest.raises(SqznetError, match=r"notes.mp4: no format that FFmpeg reads"):
        sqznet.watch(text)
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        audio = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        audio.sample_rate = 8000
        output.mux(stream.encode(audio))
        output.mux(stream.encode(None))
    with pytest.raises(SqznetError, match=r"sound.wav: no video in it"):
        sqznet.watch(sound)


def test_a_missing_extra_names_the_install_command(
    monkeypatch: pytest.MonkeyPatch, clip: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(SqznetError, match=r"pip install av$"):
        sqznet.watch(clip)


# --- Over the network --------------------------------------------------------------------------


def test_a_video_at_an_address_is_read_like_a_file(clip: Path) -> None:
    with serving(clip.read_bytes()) as server:
        assert len(watched(server.url)) == 40


def test_an_endless_stream_is_live_and_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that sends JPEG images one after another and hangs up after twenty."""
    monkeypatch.setattr(newest, "FIRST_DELAY", 0.01)
    pictures = io.BytesIO()
    for i in range(20):
        picture = io.BytesIO()
        Image.fromarray(flat(100 + i, 48, 64)).save(picture, "JPEG")
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {picture.tell()}\r\n\r\n"
        pictures.write(head.encode() + picture.getvalue() + b"\r\n")
    said: list[str] = []
    with serving(pictures.getvalue()) as server:
        server.has_length = server.ranges = False
        sightings = sqznet.watch(
            server.url.replace("://", "://me:secret@"), model=Levels(), notice=said.append
        )
        count = 0
        for sighting in sightings:
            count += 1 + sighting.dropped
            if count > 45:
                break
        sightings.close()
        assert len(server.asked) >= 3
    assert len(said) == 1
    assert re.search(r"weights.pth: lost \(.+\), trying again$", said[0])
    assert "secret" not in said[0]


def test_an_address_without_an_answer() -> None:
    with pytest.raises(SqznetError, match=r"^rtsp://127.0.0.1:9/door: Connection refused$"):
        sqznet.watch("rtsp://user:secret@127.0.0.1:9/door")


# --- Annotated video ---------------------------------------------------------------------------


def write(path: Path, sightings: Iterable[Sighting]) -> None:
    with annotate.AnnotatedVideo(str(path)) as output:
        for sighting in sightings:
            output.add(annotate.annotated(sighting), sighting.time)


def written(path: Path) -> tuple[list[float], list[Any]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.time for frame in frames], [f.to_ndarray(format="rgb24") for f in frames]


@pytest.mark.parametrize("suffix", sorted(annotate.CONTAINERS))
def test_an_annotated_video(tmp_path: Path, clip: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("what was there before")
    with annotate.AnnotatedVideo(str(path)) as output:
        for sighting in watched(clip, every=2):
            output.add(annotate.annotated(sighting), sighting.time)
        assert path.read_text() == "what was there before"
    times, pictures = written(path)
    if suffix != ".avi":  # AVI has no time stamps, only a frame rate
        assert times == pytest.approx([i / 12.5 for i in range(20)], abs=2e-3)
    assert pictures[0].shape == (48, 64, 3)
    assert abs(pictures[9][:20].mean() - RAMP[18]) < 6
    assert sorted(tmp_path.iterdir()) == sorted([clip, path])


def test_frames_of_odd_and_changing_sizes(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write(path, watched([flat(90, 51, 67), flat(90, 20, 20), flat(90, 300, 300)]))
    assert [p.shape for p in written(path)[1]] == [(50, 66, 3)] * 3


def test_the_label_is_drawn_into_the_frame() -> None:
    sighting = watched([flat(200, 240, 320)])[0]
    picture = np.asarray(annotate.annotated(sighting))
    assert picture.shape == (240, 320, 3)
    assert (picture[:190] == 200).all()
    assert picture[-1].mean() < 100  # the dark strip
    assert (picture[195:] > 240).all(axis=2).any()  # its text


def test_an_interrupted_video_is_complete(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "out.mp4"

    def interrupted() -> Iterator[Sighting]:
        yield from watched(clip, every=8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, interrupted())
    assert len(written(path)[0]) == 5


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    path = tmp_path / "out.mp4"
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (96, 128, 3), dtype=np.uint8) for _ in range(40)]
    sightings = watched(noise)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write(path, sightings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def test_no_frames_no_video(tmp_path: Path) -> None:
    write(tmp_path / "out.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SqznetError, match=r"out.txt: expected a name that ends in .mp4"):
        annotate.AnnotatedVideo(str(tmp_path / "out.txt"))
    path = str(tmp_path / "missing" / "out.mp4")
    with pytest.raises(FileNotFoundError) as caught:
        annotate.AnnotatedVideo(path)
    assert caught.value.filename == path
