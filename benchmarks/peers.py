"""The contenders: partstream, also of another checkout, the bare loops and the peers.

Peers with other dependencies run in virtual environments, which are kept in the user's cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks.cameras.clip import cache_folder
from benchmarks.run_once import Contender

STREAMVISION = "streamvision==0.1.4"
MODEL_SIZE = (640, 360)
"""Picture size of the converting contenders: a common detector size with 720p's aspect ratio."""

OURS, BARE = "partstream", "bare loop"
OURS_RGB, BARE_RGB = "partstream, converting", "bare loop, converting"
STREAMVISION_NAME, OPENCV, OPENCV_ONE = "streamvision", "OpenCV threads", "OpenCV threads, 1 decoder thread"
NATIVE, FFMPEG, ENGINE_NATIVE = "partstream native", "partstream FFmpeg", "whole engine, native"
FLOORS = {OURS: BARE, OURS_RGB: BARE_RGB}
"""The bare loop with the same work for each partstream contender."""
OTHER = ", other checkout"
"""Ending of the names of contenders whose code is another checkout's (`--against`)."""
PEERS = (STREAMVISION_NAME, OPENCV, OPENCV_ONE)
ENGINE = (OURS, BARE, OURS_RGB, BARE_RGB, *PEERS)
"""Contenders of `bench engine`."""
ENGINE_AGAINST = (OURS, OURS_RGB)
"""Those that are measured again in another checkout."""
INGEST = (NATIVE, FFMPEG, BARE, *PEERS, ENGINE_NATIVE)
"""Contenders of `bench ingest`. The whole engine is measured up to its result."""
INGEST_AGAINST = (NATIVE, ENGINE_NATIVE)
TRANSPORTS = ("auto", "native", "ffmpeg")
"""Values of a camera's `transport`."""


class PeerUnavailableError(RuntimeError):
    """A peer cannot run; the message says what is missing."""


def contender(name: str, transport: str = "auto", against: Path | None = None) -> Contender:
    """Return the contender of that name, ready to run.

    `transport` is used by partstream contenders that do not set their own; `against` is the other checkout. Raises
    `PeerUnavailableError`.
    """
    if name.endswith(OTHER) and against is not None:
        return replace(contender(name.removesuffix(OTHER), transport), name=name, checkout=against.resolve())
    planes = {"pixels": "planes", "size": None}
    rgb24 = {"pixels": "rgb24", "size": list(MODEL_SIZE)}
    if name in (OURS, OURS_RGB, ENGINE_NATIVE):
        if name == ENGINE_NATIVE:
            transport = "native"
        options = {**(rgb24 if name == OURS_RGB else planes), "transport": transport}
        return Contender(name, "partstream_engine", options=options, publishes=True)
    if name in (NATIVE, FFMPEG):
        return Contender(name, "partstream_reader", options={"transport": "native" if name == NATIVE else "ffmpeg"})
    if name in (BARE, BARE_RGB):
        return Contender(name, "bare_loop", options=planes if name == BARE else rgb24)
    if name in (OPENCV, OPENCV_ONE):
        if find_spec("cv2") is None:
            raise PeerUnavailableError("OpenCV is not installed. Run: pip install 'partstream[bench]'")
        return Contender(name, "opencv_threads", options={"decoder_threads": 1 if name == OPENCV_ONE else None})
    if name == STREAMVISION_NAME:
        python = environment_of(STREAMVISION)
        return Contender(name, "streamvision_pipeline", python, {"video_processing_mode": "auto"})
    raise PeerUnavailableError(f"unknown contender {name!r}; available: {', '.join(dict.fromkeys(ENGINE + INGEST))}")


def environment_of(requirement: str) -> Path:
    """Return the Python of a virtual environment with only `requirement`, which is created if necessary.

    Peers require other versions of numpy, OpenCV and pydantic than partstream.
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
            raise PeerUnavailableError(f"{requirement} cannot be installed: {done.stderr.strip()[-400:]}")
    complete.touch()
    return python
