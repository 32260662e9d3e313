"""Classifies the frames of a camera, a video or a folder one after another: `sqznet.watch`.

`sources` finds the right source; `video`, `animation`, `folder` and `picamera` read frames, `pipe`
and `fetched` what FFmpeg cannot read by itself, and `length` tells whether a video ends, and where;
`newest` reads live sources in the background and keeps only the newest frame; `loop` classifies,
`smoothing` averages the results over time, and `annotate` writes them into a video.
"""
