"""OpenCV in its usual form: one thread per camera that calls `VideoCapture.read()`, pictures in BGR.

The barcode is read in the same thread, without the hand-over that an application would need. `decoder_threads` null
keeps OpenCV's default (one per core, each of which delays by a frame); 1 has the lowest latency.
"""

from __future__ import annotations

import os
import threading

import cv2

from benchmarks.cameras import barcode
from benchmarks.contenders.recorder import Recorder, Spec


def read(camera: int, url: str, recorder: Recorder, decoder_threads: int | None) -> None:
    """Read until the stream ends."""
    settings = [] if decoder_threads is None else [cv2.CAP_PROP_N_THREADS, decoder_threads]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings)
    while True:
        success, picture = capture.read()
        if not success:
            return
        recorder.frame(camera, barcode.read(picture[:, :, 1]))


def main() -> None:
    """Run the spec given on the command line and exit after the measurement."""
    spec = Spec.from_argv()
    recorder = Recorder(len(spec.urls))
    for camera, url in enumerate(spec.urls):
        arguments = (camera, url, recorder, spec.options.get("decoder_threads"))
        threading.Thread(target=read, args=arguments, daemon=True).start()
    recorder.measure(spec)
    os._exit(0)


if __name__ == "__main__":
    main()
