"""Settings of a generated data set: the ranges that each video is drawn from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.movement import Rng

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settings:
    """Shares and ranges of what is drawn. Ranges are drawn uniformly unless stated otherwise."""

    people: tuple[float, ...] = (0.35, 0.3, 0.2, 0.15)
    """Shares of videos with 1, 2, … people."""
    seconds: tuple[float, float] = (3.0, 6.0)
    frame_rates: tuple[float, ...] = (10.0, 12.0, 12.5)
    sizes: tuple[tuple[int, int], ...] = ((352, 288), (384, 288), (416, 256), (448, 256), (448, 336), (336, 416))
    """Width and height, both even for 4:2:0."""
    exposure: tuple[float, float] = (1 / 250, 1 / 30)
    """Exposure time in seconds, log-uniform; a camera with 25 frames per second, of which every second is kept, has no
    longer ones."""
    stature: tuple[float, float] = (140.0, 320.0)
    """Height of a person of mean stature in pixels, log-uniform; less if a group would not fit."""
    clutter: float = 0.5
    """Share of videos with furniture, trees or cars."""
    change_share: float = 0.3
    """Share of people who begin with another activity."""
    latest_change: float = 0.45
    """Latest change to their activity, as a share of the video."""
    crf: tuple[int, int] = (18, 34)
    """H.264's constant rate factor: 18 is visually lossless, 34 is a cheap camera on a slow connection."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the manifest."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """One video's format: `size` width and height, `rate` frames per second, `opening` and `closing` [T] seconds of the
    shutter."""

    size: tuple[int, int]
    rate: float
    opening: Array
    closing: Array

    @property
    def instants(self) -> Array:
        """Each frame's opening and closing in seconds, ascending [2 T]."""
        return np.stack([self.opening, self.closing], -1).reshape(-1)


def draw_format(rng: Rng, settings: Settings, frames: int | None = None) -> VideoFormat:
    """Draw a video's format; `frames` fixes the number of frames."""
    size = settings.sizes[int(rng.integers(len(settings.sizes)))]
    rate = float(rng.choice(settings.frame_rates))
    count = round(rng.uniform(*settings.seconds) * rate)
    exposure = float(np.exp(rng.uniform(*np.log(settings.exposure))))
    opening = np.arange(frames or count) / rate
    return VideoFormat(size, rate, opening, opening + exposure)
