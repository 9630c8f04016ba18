"""What an engine recognises on footage of one camera: shares of frames and of people's time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from stream.config import Config
from stream.engine import Engine
from stream.results import CameraStats, Frame

EXPECTED = ("walk", "stand")
"""What pedestrians do, who have no labels."""
MAX_GAP_S = 0.5
"""Longest time for which a label counts: until the person's next result, or this if the person was out of sight."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """Figures of a run. Times are person-seconds of media time."""

    frames: int
    frames_with_people: int
    seconds_by_label: dict[str, float]
    camera: CameraStats

    @property
    def share_with_people(self) -> float:
        """Share of the processed frames with people."""
        return self.frames_with_people / self.frames if self.frames else 0.0

    @property
    def share_expected(self) -> float:
        """Share of the labelled person-seconds with an expected label."""
        total = sum(self.seconds_by_label.values())
        return sum(self.seconds_by_label.get(label, 0.0) for label in EXPECTED) / total if total else 0.0


async def recognise(config: Config, seconds: float | None = None) -> Recognised:
    """Run the engine on one camera until it ends or for `seconds`, and return the figures."""
    async with Engine(config) as engine:
        messages = engine.results(buffer=100_000)
        with suppress(TimeoutError):
            await asyncio.wait_for(engine.wait(), seconds)
        (camera,) = engine.stats().cameras
    frames = [message async for message in messages if isinstance(message, Frame)]
    return Recognised(len(frames), sum(bool(frame.people) for frame in frames), seconds_by_label(frames), camera)


def seconds_by_label(frames: Sequence[Frame]) -> dict[str, float]:
    """Return the person-seconds of each label, from a camera's results in order."""
    seconds: defaultdict[str, float] = defaultdict(float)
    last: dict[tuple[int, int], tuple[int, str]] = {}
    for frame in frames:
        for person in frame.people:
            key = (frame.epoch, person.track)
            if key in last:
                since_us, label = last[key]
                seconds[label] += min((frame.media_time_us - since_us) / 1e6, MAX_GAP_S)
            if person.action is not None:
                last[key] = (frame.media_time_us, person.action.label)
    return dict(seconds)
