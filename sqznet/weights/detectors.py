"""A detector's design in the metadata of a weights file, as JSON.

    {"levels": [{"tap": "features.7", "layers": [], "lateral": "head.lateral3",
                 "stride": 8, "offset": 7.5}, ...],
     "shared": ["head.fire1", "head.fire2"], "classes": "head.cls", "sides": "head.box",
     "limit": 4, "nms": {"iou": 0.55, "candidates": 300, "most": 100}}

See `sqznet.network.detector.Design` for the meanings; "limit" and "nms" may be omitted. Of a
SqueezeDet, whose "anchors" tell it apart, see `sqznet.network.convdet.AnchorDesign`:

    {"anchors": [[36, 37], ...], "layers": ["head.fire10", "head.fire11"], "output": "head.conv12",
     "limit": 1, "nms": {"iou": 0.4, "candidates": 64, "most": 64}, "stem": 4}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from sqznet.errors import WeightsError, shown
from sqznet.network.convdet import AnchorDesign
from sqznet.network.detector import POOL, AnyDesign, Design, Level

#: How the names of the head's layers begin, so that none is one of the trunk's.
PREFIX = "head."

# More than any detector has.
_MOST_LEVELS, _MOST_LAYERS, _MOST_CANDIDATES, _MOST_STRIDE = 8, 16, 10_000, 1024
_MOST_ANCHORS, _MOST_SIDE, _MOST_KERNEL = 64, 4096, 7
_NAMES = ("levels", "shared", "classes", "sides", "limit", "nms")
_OF_ANCHORS = ("anchors", "layers", "output", "limit", "nms", "stem")
_OPTIONAL = ("limit", "nms", "stem")


def to_json(design: AnyDesign) -> dict[str, Any]:
    """For `from_json`."""
    nms = {"iou": design.iou, "candidates": design.candidates, "most": design.most}
    if isinstance(design, AnchorDesign):
        stated = {
            "anchors": list(map(list, design.anchors)),
            "layers": list(design.layers),
            "output": design.output,
            "limit": design.limit,
            "nms": nms,
        }
        return stated if design.stem is None else {**stated, "stem": design.stem}
    return {
        "levels": [{**level._asdict(), "layers": list(level.layers)} for level in design.levels],
        "shared": list(design.shared),
        "classes": design.classes,
        "sides": design.sides,
        "limit": design.limit,
        "nms": nms,
    }


def from_json(value: Mapping[str, Any]) -> AnyDesign:
    """Raises WeightsError, saying what was found and expected, if it is not a design."""
    design = _anchor_design(value) if "anchors" in value else _design(value)
    own = design.own_layers
    if twice := [name for name in own if own.count(name) > 1]:
        raise WeightsError(f"the layer {shown(twice[0])} has two places")
    return design


def _design(value: Mapping[str, Any]) -> Design:
    _check_fields("the detector", value, _NAMES, _OPTIONAL)
    levels = value["levels"]
    if not isinstance(levels, list) or not 1 <= len(levels) <= _MOST_LEVELS:
        raise WeightsError(f"levels: expected a list of 1 to {_MOST_LEVELS} levels")
    default = Design((), (), "", "")
    return Design(
        levels=tuple(map(_level, levels)),
        shared=_list_of_names(value["shared"], "shared"),
        classes=_name(value["classes"], "classes"),
        sides=_name(value["sides"], "sides"),
        limit=_number(value.get("limit", default.limit), "limit", 0, 10),
        **_nms(value, default),
    )


def _anchor_design(value: Mapping[str, Any]) -> AnchorDesign:
    _check_fields("the detector", value, _OF_ANCHORS, _OPTIONAL)
    anchors = value["anchors"]
    if not isinstance(anchors, list) or not 1 <= len(anchors) <= _MOST_ANCHORS:
        raise WeightsError(f"anchors: expected a list of 1 to {_MOST_ANCHORS} sizes")
    default = AnchorDesign((), "")
    return AnchorDesign(
        layers=_list_of_names(value["layers"], "layers"),
        output=_name(value["output"], "output"),
        anchors=tuple(map(_anchor, anchors)),
        limit=_number(value.get("limit", default.limit), "limit", 0, 10),
        stem=_count(value["stem"], "stem", _MOST_KERNEL) if "stem" in value else None,
        **_nms(value, default),
    )


def _anchor(value: Any) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise WeightsError(f"an anchor is {shown(value)}, expected its width and height")
    width, height = (_number(side, "a side of an anchor", 1, _MOST_SIDE) for side in value)
    return width, height


def _nms(value: Mapping[str, Any], default: AnyDesign) -> dict[str, Any]:
    nms = value.get("nms", {})
    known = ("iou", "candidates", "most")
    _check_fields("nms", nms, known, known)
    return {
        "iou": _number(nms.get("iou", default.iou), "iou", 0, 1),
        "candidates": _count(nms.get("candidates", default.candidates), "candidates"),
        "most": _count(nms.get("most", default.most), "most"),
    }


def _level(value: Any) -> Level:
    _check_fields("a level", value, Level._fields)
    return Level(
        tap=_text(value["tap"], "tap"),
        layers=_list_of_names(value["layers"], "layers", (POOL,)),
        lateral=_name(value["lateral"], "lateral"),
        stride=_count(value["stride"], "stride", _MOST_STRIDE),
        offset=_number(value["offset"], "offset", 0, _MOST_STRIDE),
    )


def _check_fields(
    what: str, value: Any, names: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    if not isinstance(value, dict):
        raise WeightsError(f"{what} is {shown(value)}, expected an object")
    for name in value:
        if name not in names:
            raise WeightsError(f"{what}: unknown field {shown(name)}, expected {', '.join(names)}")
    if missing := [name for name in names if name not in value and name not in optional]:
        raise WeightsError(f"{what}: {', '.join(missing)} missing")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise WeightsError(f"{what} is {shown(value)}, expected the name of a layer")
    return value


def _name(value: Any, what: str) -> str:
    name = _text(value, what)
    if not re.fullmatch(rf"{re.escape(PREFIX)}[\w.]+", name, re.ASCII):
        raise WeightsError(
            f"{what} is {shown(name)}, expected {PREFIX} and then letters, digits, _ and points"
        )
    return name


def _list_of_names(value: Any, what: str, others: tuple[str, ...] = ()) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_LAYERS:
        raise WeightsError(f"{what}: expected a list of {_MOST_LAYERS} layers at most")
    return tuple(name if name in others else _name(name, what) for name in value)


def _number(value: Any, what: str, least: float, most: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not isfinite(value) or not least <= value <= most:
        raise WeightsError(f"{what} is {shown(value)}, expected a number from {least} to {most}")
    return float(value)


def _count(value: Any, what: str, most: int = _MOST_CANDIDATES) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise WeightsError(f"{what} is {shown(value)}, expected a whole number from 1 to {most}")
    return value
