"""OpenCV as it is usually used: one thread a camera that calls `VideoCapture.read()`, the picture in BGR.

The barcode is read in the same thread, which spares OpenCV the hand-over that an application would need.
`decoder_threads` null leaves OpenCV's default (one a core, each delaying by a frame); 1 is the lowest latency.
"""

from __future__ import annotations

import os
import threading

import cv2

from benchmarks.cameras import barcode
from benchmarks.contenders.recorder import Recorder, Spec


def read(camera: int, url: str, recorder: Recorder, decoder_threads: int | None) -> None:
    """Read for ever."""
    settings = [] if decoder_threads is None else [cv2.CAP_PROP_N_THREADS, decoder_threads]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings)
    while True:
        fresh, picture = capture.read()
        if not fresh:
            return
        recorder.frame(camera, barcode.read(picture[:, :, 1]))


def main() -> None:
    """Run as the spec says and leave the process at once when measured."""
    spec = Spec.from_argv()
    recorder = Recorder(len(spec.urls))
    for camera, url in enumerate(spec.urls):
        arguments = (camera, url, recorder, spec.options.get("decoder_threads"))
        threading.Thread(target=read, args=arguments, daemon=True).start()
    recorder.measure(spec)
    os._exit(0)


if __name__ == "__main__":
    main()
