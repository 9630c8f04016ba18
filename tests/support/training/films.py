"""Short films of given frames."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av


def write_film(path: Path, frames: Sequence[av.VideoFrame], per_second: int) -> None:
    """Write frames of one size in yuv420p as H.264."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=per_second, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1, per_second)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
