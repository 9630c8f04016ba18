"""Scenes of luma for tests of the motion gate: a street drawn from noise, people, and frames that show them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ring_buffers.motion.motion_map import Box, MotionMap

Luma = NDArray[np.float32]


def street(width: int, height: int, seed: int = 1) -> Luma:
    """Return a scene of plain and textured surfaces: float32 [height, width], levels 40 to 215."""
    rng = np.random.default_rng(seed)
    scene = np.zeros((height, width), np.float32)
    for across, share in ((6, 100.0), (24, 45.0), (80, 30.0)):
        noise = rng.integers(0, 256, (max(across * height // width, 1), across)).astype(np.uint8)
        method = Image.Resampling.NEAREST if across == 24 else Image.Resampling.BILINEAR
        scene += np.asarray(Image.fromarray(noise).resize((width, height), method), np.float32) * (share / 255)
    return 40 + scene


def with_person(scene: Luma, left: float, bottom: float, height: float, contrast: float) -> Luma:
    """Return the scene with a plain person, `contrast` levels brighter than what they hide is on average.

    Their edges cover pixels in part.
    """
    rows, columns = np.arange(scene.shape[0])[:, None], np.arange(scene.shape[1])[None, :]
    width = 0.35 * height

    def covered(pixels: NDArray[np.int64], begin: float, end: float) -> NDArray[np.float64]:
        return (np.minimum(pixels + 1, end) - np.maximum(pixels, begin)).clip(0, 1)

    cover = covered(columns, left, left + width) * covered(rows, bottom - height, bottom)
    level = float((scene * cover).sum() / max(cover.sum(), 1)) + contrast
    return (scene + cover * (level - scene)).astype(np.float32)


def levels(scene: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the scene as a camera with 8 bits sends it."""
    return np.round(scene).clip(0, 255).astype(np.uint8)


def grey_frame(luma: NDArray[np.uint8], format: str = "yuv420p") -> av.VideoFrame:
    """Return a frame with this luma, without colours."""
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), "gray").reformat(format=format)


def make_grey_film(path: Path, scenes: list[Luma], *, rate: int, bits_per_second: int, keyframe_every: int) -> Path:
    """Encode scenes as H.264, as a camera with a fixed bit rate does."""
    height, width = scenes[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", bits_per_second
        limits = {"maxrate": str(bits_per_second), "bufsize": str(bits_per_second), "sc_threshold": "0", "threads": "1"}
        stream.options = {"preset": "superfast", "bf": "0", "g": str(keyframe_every), **limits}
        for number, scene in enumerate(scenes):
            frame = grey_frame(levels(scene))
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def moves_in(found: MotionMap, box: Box, size: tuple[int, int]) -> bool:
    """Return whether a cell that `box` overlaps moves. `size`: width and height of the picture as shown."""
    return bool((found.moving() & found.cells_in([box], size)).any())
