"""How hard a generated data set is: the ranges that each video is drawn from. Plain values; owns nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.movement import Rng

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is drawn how often. Ranges are least and most, drawn evenly unless said otherwise."""

    people: tuple[float, ...] = (0.35, 0.3, 0.2, 0.15)
    """Shares of videos with 1, 2, … people."""
    seconds: tuple[float, float] = (3.0, 6.0)
    frame_rates: tuple[float, ...] = (10.0, 12.0, 12.5)
    sizes: tuple[tuple[int, int], ...] = ((352, 288), (384, 288), (416, 256), (448, 256), (448, 336), (336, 416))
    """Width and height, both even, as 4:2:0 pictures are."""
    exposure: tuple[float, float] = (1 / 250, 1 / 30)
    """Seconds that the shutter is open, by even draws of the logarithm; a camera of 25 frames a second, every second
    picture of which was kept, has no longer ones."""
    stature: tuple[float, float] = (140.0, 320.0)
    """Pixels that a person of mean stature is tall, by even draws of the logarithm; less where a group wouldn't fit."""
    clutter: float = 0.5
    """Share of videos with furniture, trees, cars about."""
    change_share: float = 0.3
    """Share of people who begin with something else."""
    latest_change: float = 0.45
    """When they have turned to what they do at the latest, as a share of the video."""
    crf: tuple[int, int] = (18, 34)
    """H.264's constant rate factor: 18 looks as good as new, 34 is what a cheap camera sends over a thin line."""

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """One video's form: `size` width and height, `rate` frames a second, `opening` and `closing` [T] seconds of the
    shutter."""

    size: tuple[int, int]
    rate: float
    opening: Array
    closing: Array

    @property
    def instants(self) -> Array:
        """Seconds [2 T], rising: each frame's opening and closing."""
        return np.stack([self.opening, self.closing], -1).reshape(-1)


def draw_format(rng: Rng, settings: Settings, frames: int | None = None) -> VideoFormat:
    """A video's form; `frames` if the number of frames isn't to be drawn."""
    size = settings.sizes[int(rng.integers(len(settings.sizes)))]
    rate = float(rng.choice(settings.frame_rates))
    count = round(rng.uniform(*settings.seconds) * rate)
    exposure = float(np.exp(rng.uniform(*np.log(settings.exposure))))
    opening = np.arange(frames or count) / rate
    return VideoFormat(size, rate, opening, opening + exposure)
