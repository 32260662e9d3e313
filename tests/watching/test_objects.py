"""`sqznet.watch_objects`: scenes, tracks and events, from frames with things of known colors."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet import Event, Scene, SqznetError

from ..support.watching import Bytes, Colors, flat, painted

RATE = 10


def person(x: float, y: float = 100) -> tuple[str, float, float, float, float]:
    """20 x 40 pixels; it stands in the middle of this place."""
    return "person", x - 10, y - 40, x + 10, y


def walk(*places: tuple[float, float], frames: int = 20) -> list[Bytes]:
    """From place to place, in so many frames each."""
    pictures = []
    for (x0, y0), (x1, y1) in itertools.pairwise(places):
        for n in range(frames):
            share = n / frames
            pictures.append(painted(person(x0 + share * (x1 - x0), y0 + share * (y1 - y0))))
    return pictures


def watched(frames: Sequence[Bytes], **options: Any) -> list[Scene]:
    options = {"detector": Colors(), "rate": RATE, **options}
    return list(sqznet.watch_objects(frames, **options))


def told(scenes: Sequence[Scene]) -> list[str]:
    return [str(event) for scene in scenes for event in scene.events]


# --- Scenes ----------------------------------------------------------------------------------


def test_a_scene() -> None:
    scenes = watched([painted(person(50 + n), ("dog", 100, 80, 130, 100)) for n in range(10)])
    assert [scene.time for scene in scenes] == pytest.approx([n / RATE for n in range(10)])
    last = scenes[-1]
    assert [track.name for track in last.tracks] == ["person 1", "dog 1"]
    assert last.tracks[0].box[:4] == (49, 60, 69, 100)
    assert last.tracks[1].detection.box[:4] == (100, 80, 130, 100)
    assert last.tracks == last.seen
    assert last.tracks[0].since == 0
    assert (last.picture.height, last.picture.width, last.dropped) == (120, 160, 0)
    assert last.latency >= 0
    assert scenes[2].events == [Event(0.2, "appears", track) for track in scenes[2].tracks]


def test_frames_without_anything() -> None:
    scenes = watched([flat(40)] * 5)
    assert [scene.tracks + scene.events for scene in scenes] == [[]] * 5
    assert watched([]) == []


def test_what_is_not_seen() -> None:
    scenes = watched([painted(person(50))] * 5 + [flat(40, 120, 160)] * 5)
    assert [track.name for track in scenes[-1].tracks] == ["person 1"]
    assert scenes[-1].seen == []


def test_turned_and_cut_frames() -> None:
    """Boxes are those of the picture that is watched."""
    (scene,) = watched([painted(("dog", 0, 100, 30, 120))], rotate=90, confirm=1)
    assert scene.tracks[0].box[:4] == (0, 0, 20, 30)
    roi = (80, 60, 80, 60)
    (scene,) = watched([painted(("dog", 100, 80, 130, 100))], roi=roi, confirm=1)
    assert scene.tracks[0].box[:4] == (20, 20, 50, 40)


def test_low_scores_are_asked_for_and_start_nothing() -> None:
    detector = Colors(person=0.2, dog=0.5)
    frames = [painted(person(50), ("dog", 100, 80, 130, 100))] * 5
    scenes = watched(frames, detector=detector)
    assert detector.asked == {"person": 0.175, "dog": 0.175, "cat": 0.175}
    assert [track.name for track in scenes[-1].tracks] == ["dog 1"]
    scenes = watched(frames, detector=detector, threshold={"person": 0.2, "dog": 0.6})
    assert detector.asked == {"person": 0.1, "dog": 0.3, "cat": 0.175}
    assert [track.name for track in scenes[-1].tracks] == ["person 1"]


@pytest.mark.parametrize("only", [["dog"], "dog", ("dog", "cat")])
def test_only_some_labels(only: Any) -> None:
    scenes = watched([painted(person(50), ("dog", 100, 80, 130, 100))] * 5, only=only)
    assert [track.name for track in scenes[-1].tracks] == ["dog 1"]


def test_live_frames_are_dropped_and_the_loop_can_be_left() -> None:
    class Slow(Colors):
        def detect(self, *arguments: Any) -> Any:
            time.sleep(0.03)
            return super().detect(*arguments)

    def endless() -> Iterator[Bytes]:
        while True:
            time.sleep(0.002)
            yield painted(person(50))

    before = threading.active_count()
    scenes = sqznet.watch_objects(endless(), detector=Slow(), live=True)
    first = [next(scenes) for _ in range(5)]
    scenes.close()
    assert sum(scene.dropped for scene in first) > 5
    assert [track.name for track in first[-1].tracks] == ["person 1"]
    assert threading.active_count() == before


# --- Events ----------------------------------------------------------------------------------


def test_appears_and_leaves() -> None:
    scenes = watched(walk((20, 100), (80, 100)) + [flat(40, 120, 160)] * 20)
    assert told(scenes) == ["person 1 appears", "person 1 leaves"]
    event = scenes[35].events[0]
    assert event.time == 3.5  # found at 1.9 s for the last time
    assert event.track.detection.box[:4] == (67, 60, 87, 100)


@pytest.mark.parametrize("line", [[(80, 0), (80, 120)], [(0.5, 1), (0.5, 0)]])
def test_crosses_a_line(line: Any) -> None:
    scenes = watched(walk((20, 100), (140, 100), (20, 100)), zones={"gate": line})
    assert told(scenes) == [
        "person 1 appears",
        "person 1 crosses gate, right",
        "person 1 crosses gate, left",
    ]
    first = next(event for scene in scenes for event in scene.events if event.kind == "crosses")
    assert first.time == pytest.approx(1.1)  # at 86, more than a tenth of its size beyond
    assert (first.zone, first.direction) == ("gate", "right")


def test_its_feet_cross_a_line() -> None:
    scenes = watched(walk((80, 60), (80, 110)), zones={"step": [(0, 80), (160, 80)]})
    assert told(scenes)[1:] == ["person 1 crosses step, down"]


def test_who_walks_around_the_end_of_a_line_does_not_cross_it() -> None:
    around = walk((40, 60), (40, 110), (120, 110), (120, 60))
    assert told(watched(around, zones={"fence": [(80, 0), (80, 70)]})) == ["person 1 appears"]


def test_who_trembles_on_a_line_crosses_it_once() -> None:
    frames = walk((40, 100), (80, 100)) + [
        painted(person(80 + shift)) for shift in (1, -1, 2, 0, -2, 2, 1, -1) * 4
    ]
    frames += walk((80, 100), (120, 100))
    assert told(watched(frames, zones={"gate": [(80, 0), (80, 120)]}))[1:] == [
        "person 1 crosses gate, right"
    ]


def test_who_crosses_unseen_has_crossed() -> None:
    frames = walk((20, 100), (140, 100), frames=30)
    frames[11:19] = [flat(40, 120, 160)] * 8  # between 64 and 96
    scenes = watched(frames, zones={"gate": [(80, 0), (80, 120)]})
    assert told(scenes) == ["person 1 appears", "person 1 crosses gate, right"]
    assert scenes[19].events


def test_enters_and_exits_an_area() -> None:
    yard = [(60, 80), (100, 80), (100, 120), (60, 120)]
    scenes = watched(walk((20, 100), (140, 100), (20, 100)), zones={"yard": yard})
    assert told(scenes)[1:] == ["person 1 enters yard", "person 1 exits yard"] * 2
    times = [event.time for scene in scenes for event in scene.events][1:]
    assert times == pytest.approx([0.7, 1.4, 2.7, 3.4])


def test_who_leaves_in_an_area_exits_it() -> None:
    """So that as many exit as enter; who appears in it enters it."""
    frames = walk((80, 120), (90, 120)) + [flat(40, 120, 160)] * 20
    scenes = watched(frames, zones={"all": [(0, 0), (1, 0), (1, 1), (0, 1)]})
    assert told(scenes) == [
        "person 1 appears",
        "person 1 enters all",
        "person 1 exits all",
        "person 1 leaves",
    ]


# --- What is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threshold": 2}, "threshold is 2, expected a number from 0 to 1"),
        ({"threshold": {"bird": 0.5}}, "label 'bird', expected one of person, dog, cat"),
        ({"only": ["bird"]}, "only has the label 'bird', expected one of person, dog, cat"),
        ({"only": ["a\x1b[2J"]}, r"only has the label 'a\\x1b\[2J', expected"),
        ({"only": []}, "only is empty, expected some of person, dog, cat"),
        ({"confirm": 0}, "confirm must be a whole number"),
        ({"patience": -1}, "patience is -1, expected seconds"),
        ({"zones": {"gate": [(1, 2)]}}, "zone gate: found 1 points"),
        ({"rate": 0}, "rate is 0, expected more than 0"),
        ({"rate": 5, "live": True}, "rate is for images from a program"),
        ({"fps": -1}, "fps is -1, expected more than 0"),
        ({"rotate": 7}, "rotate is 7, expected one of"),
        ({"format": "yuv"}, "format is 'yuv', expected 'rgb' or 'bgr'"),
    ],
)
def test_other_values_are_refused_before_the_first_frame(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(SqznetError, match=said):
        sqznet.watch_objects([flat(40)], **{"detector": Colors(), **options})


def test_a_zone_outside_of_the_frame() -> None:
    scenes = sqznet.watch_objects(
        [flat(40, 120, 160)], detector=Colors(), zones={"gate": [(300, 0), (300, 100)]}
    )
    with pytest.raises(SqznetError, match="zone gate: 300,0 is outside of the picture of 160 x 12"):
        next(scenes)


def test_a_folder_has_no_times(tmp_path: Path) -> None:
    with pytest.raises(SqznetError, match="is a folder, whose photos have no times"):
        sqznet.watch_objects(tmp_path, detector=Colors())


def test_rate_is_for_images_from_a_program(tmp_path: Path) -> None:
    with pytest.raises(SqznetError, match="rate is for images from a program"):
        sqznet.watch(tmp_path, model=None, rate=5)


def test_an_empty_image(tmp_path: Path) -> None:
    scenes = sqznet.watch_objects([flat(40, 0, 0)], detector=Colors())
    with pytest.raises(sqznet.ImageError):
        next(scenes)
