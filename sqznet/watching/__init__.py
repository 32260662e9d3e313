"""Classifies what a camera, a video or a folder shows, frame after frame: `sqznet.watch`.

`sources` finds out what there is to watch; `video`, `folder` and `picamera` read it; `newest` reads
live sources in the background and keeps one frame; `loop` classifies and `smoothing` steadies the
answers; `annotate` writes them into a video.
"""
