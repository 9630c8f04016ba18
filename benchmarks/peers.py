"""Who is measured: partstream, the bare loops, and the peers, each with what it needs to run.

Owns the peers' virtual environments in the user's cache; they live until the user removes them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.cameras.clip import cache_folder
from benchmarks.run_once import Contender

STREAMVISION = "streamvision==0.1.4"
MODEL_SIZE = (640, 360)
"""What the converting rows scale to, width and height: a common detector size at 720p's aspect."""

OURS, BARE = "partstream", "bare loop"
OURS_RGB, BARE_RGB = "partstream, converting", "bare loop, converting"
STREAMVISION_NAME, OPENCV, OPENCV_ONE = "streamvision", "OpenCV threads", "OpenCV threads, 1 decoder thread"
FLOORS = {OURS: BARE, OURS_RGB: BARE_RGB}
"""The loop that does the same work as each of our rows, and nothing else."""
PEERS = (STREAMVISION_NAME, OPENCV, OPENCV_ONE)
ALL = (OURS, BARE, OURS_RGB, BARE_RGB, *PEERS)
"""Who is measured with the whole engine."""
NATIVE, FFMPEG, ENGINE_NATIVE = "partstream native", "partstream FFmpeg", "whole engine, native"
INGEST = (NATIVE, FFMPEG, BARE, *PEERS, ENGINE_NATIVE)
"""Who is measured from the camera to the decoded picture; the whole engine beside it, to its result."""
SILENT, WITH_METRICS, WITH_TRACES = "no telemetry", "metrics", "metrics, 1 % traced"
TELEMETRY = (SILENT, WITH_METRICS, WITH_TRACES)
"""The whole engine, telling about itself more or less."""
TRACED_SHARE = 0.01
TRANSPORTS = ("auto", "native", "ffmpeg")
"""What a camera's `transport` may be."""


class PeerUnavailableError(RuntimeError):
    """A peer can't be run here; the message says what is missing."""


def contender(name: str, transport: str = "auto") -> Contender:
    """The contender of that name, ready to run; `transport` is of those of ours that don't name theirs.

    Raises `PeerUnavailableError`.
    """
    planes = {"pixels": "planes", "size": None}
    rgb24 = {"pixels": "rgb24", "size": list(MODEL_SIZE)}
    if name in (OURS, OURS_RGB, ENGINE_NATIVE):
        if name == ENGINE_NATIVE:
            transport = "native"
        options = {**(rgb24 if name == OURS_RGB else planes), "transport": transport}
        return Contender(name, "partstream_engine", options=options, publishes=True)
    if name in TELEMETRY:
        options = {
            **planes,
            "transport": transport,
            "metrics": name != SILENT,
            "sample_ratio": TRACED_SHARE if name == WITH_TRACES else 0.0,
        }
        return Contender(name, "partstream_telemetry", options=options, publishes=True)
    if name in (NATIVE, FFMPEG):
        return Contender(name, "partstream_reader", options={"transport": "native" if name == NATIVE else "ffmpeg"})
    if name in (BARE, BARE_RGB):
        return Contender(name, "bare_loop", options=planes if name == BARE else rgb24)
    if name in (OPENCV, OPENCV_ONE):
        if find_spec("cv2") is None:
            raise PeerUnavailableError("OpenCV isn't installed: pip install opencv-python")
        return Contender(name, "opencv_threads", options={"decoder_threads": 1 if name == OPENCV_ONE else None})
    if name == STREAMVISION_NAME:
        python = environment_of(STREAMVISION)
        return Contender(name, "streamvision_pipeline", python, {"video_processing_mode": "auto"})
    raise PeerUnavailableError(
        f"no contender is called {name!r}; there are: {', '.join(dict.fromkeys(ALL + INGEST + TELEMETRY))}"
    )


def environment_of(requirement: str) -> Path:
    """The Python of a virtual environment that holds just `requirement`, made now if the cache hasn't it.

    Peers pin other versions of numpy, OpenCV and pydantic than partstream's, so they never share its environment.
    """
    folder = cache_folder() / f"venv-{requirement.replace('==', '-')}-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if complete.exists():
        return python
    print(f"installing {requirement} into {folder} (once)", file=sys.stderr, flush=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise PeerUnavailableError(f"{requirement} can't be installed: {done.stderr.strip()[-400:]}")
    complete.touch()
    return python
