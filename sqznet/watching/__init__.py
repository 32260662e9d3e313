"""Cameras, videos and folders, frame by frame: `sqznet.watch` and `sqznet.watch_objects`.

`sources` finds the right source; `video`, `animation`, `folder` and `picamera` read frames, `pipe`
and `fetched` what FFmpeg cannot read by itself, and `length` tells whether a video ends, and where;
`newest` reads live sources in the background and keeps only the newest frame, and `feed` chooses
frames. `loop` classifies them, and `smoothing` averages the results over time. `objects` detects
things: `tracks` follows them with `motion`, and `events` tells what they do at the lines and areas
of `zones`. `annotate` draws results and writes them into a video, and `clips` keeps short ones.
"""
