"""A model without weights for tests of what goes through whole videos, and videos that it can tell apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ring_buffers.frames import Lease, SlotFormat
from stages.types import FrameAnalysis, Model, ModelInfo

SIZE = (160, 120)


class Scripted(Model):
    """Returns the scripted result for each lease."""

    info = ModelInfo("scripted", "none", False)

    def __init__(self, say: Callable[[Lease], FrameAnalysis] = lambda lease: FrameAnalysis()) -> None:
        self.say = say
        self.forgotten: list[str] = []

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        return SlotFormat("rgb24", source_size, source_size)

    def warm_up(self) -> None: ...

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        return [self.say(lease) for lease in frames]

    def forget(self, camera: str) -> None:
        self.forgotten.append(camera)


def make_film(path: Path, frames: int = 11, *, shown_turned: bool = False) -> Path:
    """Pictures at 10 a second, their left half white and their right half black; `shown_turned` says in the file's
    header that they are to be turned clockwise by a quarter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    picture[:, : SIZE[0] // 2] = 255
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return show_turned(path) if shown_turned else path


def show_turned(path: Path) -> Path:
    """Say in an MP4's header that its pictures are to be turned clockwise by a quarter. Return the path."""
    upright = _matrix(1, 0, 0, 1)
    content = path.read_bytes()
    track = content.index(upright, content.index(b"tkhd"))
    path.write_bytes(content[:track] + _matrix(0, 1, -1, 0) + content[track + len(upright) :])
    return path


def _matrix(a: int, b: int, c: int, d: int) -> bytes:
    """A track header's matrix, without its translation and projection."""
    return b"".join(number.to_bytes(4, "big", signed=True) for number in (a << 16, b << 16, 0, c << 16, d << 16))


def damage(path: Path) -> Path:
    """Overwrite the coded pictures from the middle on."""
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    middle = start + (len(content) - start) // 2
    content[middle:] = b"\xff" * (len(content) - middle)
    path.write_bytes(content)
    return path
