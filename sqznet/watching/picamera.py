"""A Raspberry Pi camera through the documented interface of picamera2.

`camera_configuration()` lists the streams and their formats, `capture_array(name)` returns the next
frame. picamera2 copies each frame, since it returns the buffer to the camera at once; nothing
copies it again. The `lores` stream, meant for analysis, is used if it is configured, else `main`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sqznet.errors import SqznetError
from sqznet.images.frame import Frame
from sqznet.watching.shot import Shot, now

# picamera2 names formats by the bits of a word, so the order of the bytes in memory is reversed
# (manual, appendix A).
_FORMATS = {
    "BGR888": "rgb",
    "XBGR8888": "rgb",
    "RGB888": "bgr",
    "XRGB8888": "bgr",
    "YUV420": "i420",
    "YVU420": "yv12",
}


def is_picamera(source: Any) -> bool:
    """Whether this is a Picamera2 or an object with the same interface."""
    return hasattr(source, "capture_array") and hasattr(source, "camera_configuration")


class PicameraSource:
    """The frames of a configured and started Picamera2, which is left running.

    Raises SqznetError if it is not running, or if its format is not one of the 8-bit formats above.
    """

    name = "Picamera2"
    live = True
    timed = True

    def __init__(self, camera: Any) -> None:
        self._camera = camera
        streams = camera.camera_configuration()
        if not streams or not getattr(camera, "started", True):
            raise SqznetError("the Picamera2 is not running: call its start() before watching it")
        self._stream = "lores" if streams.get("lores") else "main"
        stream = streams[self._stream]
        format = str(stream["format"])
        if format not in _FORMATS:
            raise SqznetError(
                f"the Picamera2's {self._stream} stream has the format {format}, "
                f"expected one of {', '.join(_FORMATS)}"
            )
        self._format = _FORMATS[format]
        self._options: dict[str, Any] = {}
        if self._format in ("i420", "yv12"):
            width, height = stream["size"]
            self._options = {"width": width, "height": height, **_color_space(streams)}

    def shots(self) -> Generator[Shot, None, None]:
        began = now()
        while True:
            try:
                array = self._camera.capture_array(self._stream)
            except Exception as error:  # any exception of the driver
                raise SqznetError(f"{self.name}: {error or type(error).__name__}") from error
            arrived = now()
            frame = Frame.wrap(array, self._format, **self._options)
            yield Shot(frame, arrived - began, arrived)


def _color_space(configuration: Any) -> dict[str, Any]:
    """The YUV matrix and range, from libcamera's name of the color space."""
    name = str(configuration.get("colour_space") or "sYCC")
    if name.startswith("Rec709"):
        return {"matrix": "bt709", "full_range": False}
    return {"matrix": "bt601", "full_range": not name.startswith("SMPTE170M")}
