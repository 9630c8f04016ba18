"""Lower bound: PyAV with one thread per camera that decodes and copies pictures.

`planes` copies Y, U and V into one of eight preallocated arrays; `rgb24` scales and converts to the model's size
instead. The options of FFmpeg and of scaling are those of partstream's FFmpeg backend.
"""

from __future__ import annotations

import os
import threading

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from benchmarks.cameras import barcode
from benchmarks.contenders.recorder import Recorder, Spec

FFMPEG_OPTIONS = {
    "rtsp_transport": "tcp",
    "analyzeduration": "0",
    "probesize": "32",
    "flags": "low_delay",
    "allowed_media_types": "video",
}
SLOTS = 8


def copy_planes(frame: av.VideoFrame, into: np.ndarray) -> np.ndarray:
    """Copy Y, U and V without padding into the flat uint8 array `into`; return its Y part as `[height, width]`."""
    offset = 0
    for plane in frame.planes:
        size = plane.width * plane.height
        source = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)  # pyright: ignore[reportArgumentType,reportCallIssue]
        into[offset : offset + size].reshape(plane.height, plane.width)[:] = source[:, : plane.width]
        offset += size
    return into[: frame.width * frame.height].reshape(frame.height, frame.width)


def read_planes(camera: int, url: str, recorder: Recorder) -> None:
    """Decode and copy without end."""
    slots: list[np.ndarray] = []
    count = 0
    with av.open(url, options=FFMPEG_OPTIONS) as container:
        container.streams.video[0].thread_type = "NONE"
        for frame in container.decode(video=0):
            if not slots:
                slots = [np.empty(frame.width * frame.height * 3 // 2, np.uint8) for _ in range(SLOTS)]
            luma = copy_planes(frame, slots[count % SLOTS])
            recorder.frame(camera, barcode.read(luma))
            count += 1


def read_rgb24(camera: int, url: str, recorder: Recorder, width: int, height: int) -> None:
    """Decode, scale and convert without end."""
    slots = [np.empty((height, width, 3), np.uint8) for _ in range(SLOTS)]
    reformatter = VideoReformatter()
    count = 0
    with av.open(url, options=FFMPEG_OPTIONS) as container:
        container.streams.video[0].thread_type = "NONE"
        for frame in container.decode(video=0):
            small = reformatter.reformat(
                frame, width=width, height=height, format="rgb24", interpolation="BILINEAR", threads=1
            )
            plane = small.planes[0]
            source = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)  # pyright: ignore[reportArgumentType,reportCallIssue]
            slot = slots[count % SLOTS]
            slot.reshape(height, width * 3)[:] = source[:, : width * 3]
            recorder.frame(camera, barcode.read(slot[:, :, 1]))
            count += 1


def main() -> None:
    """Run the spec given on the command line and exit after the measurement."""
    spec = Spec.from_argv()
    recorder = Recorder(len(spec.urls))
    for camera, url in enumerate(spec.urls):
        if spec.options["pixels"] == "planes":
            target, arguments = read_planes, (camera, url, recorder)
        else:
            target, arguments = read_rgb24, (camera, url, recorder, *spec.options["size"])
        threading.Thread(target=target, args=arguments, daemon=True).start()
    recorder.measure(spec)
    os._exit(0)


if __name__ == "__main__":
    main()
