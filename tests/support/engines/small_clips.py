"""Short clips with the frame's number in each picture (`benchmarks.cameras.barcode`)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.cameras import barcode
from support.engines.film_models import show_turned

LIVE_H264 = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "keyint=25:scenecut=0"}
REORDERED_H264 = {"preset": "ultrafast", "x264-params": "bframes=2:b-adapt=0:keyint=25:scenecut=0"}


def make_clip(
    path: Path,
    frames: int = 50,
    size: tuple[int, int] = (320, 180),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    first_number: int = 0,
    fps: int = 25,
    turned: bool = False,
) -> Path:
    """Write a clip of slowly moving blocks, and return its path. The file's name determines the container.

    `turned`: the pictures are stored lying on their side, and the file says so. `size` is the stored one.
    """
    width, height = (size[1], size[0]) if turned else size
    rng = np.random.default_rng(width)
    blocks = np.kron(rng.integers(40, 200, (height // 20 + 1, width // 20 + 1), np.uint8), np.ones((20, 20), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.options = options if options is not None else (LIVE_H264 if codec == "libx264" else {})
        for number in range(frames):
            luma = np.roll(blocks[:height, :width], number * 2, axis=1)
            barcode.draw(luma, first_number + number)
            stored = np.rot90(luma) if turned else luma
            frame = av.VideoFrame.from_ndarray(np.repeat(stored[:, :, None], 3, axis=2), "rgb24")
            frame = frame.reformat(format=pixels)
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return show_turned(path) if turned else path


def make_sound(path: Path, seconds: float = 0.5) -> Path:
    """Write a file with sound and without video, and return its path."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, int(8000 * seconds)), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
