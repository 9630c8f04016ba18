"""Recognition on real street footage (opencv's vtest.avi), for all frames of the file or over RTSP in real time.

The footage has no action labels, but its pedestrians almost only walk and stand. The figures are the share of frames
with people, and the share of the tracked people's time that is labelled walk or stand.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from stream.config import Config
from stream.engine import Engine
from stream.results import Frame, Stats

EXPECTED = ("walk", "stand")
MAX_GAP_S = 0.5
"""Longest time for which a label counts: until the person's next result, or this if the person was out of sight."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """Figures of a run. Times are person-seconds of media time; `tracks` counts published tracks."""

    frames: int
    frames_with_people: int
    seconds_by_label: dict[str, float]
    tracks: int
    decoded: int
    processed: int
    dropped: dict[str, int]

    @property
    def share_with_people(self) -> float:
        """Share of the processed frames with people."""
        return self.frames_with_people / self.frames if self.frames else 0.0

    @property
    def share_processed(self) -> float:
        """Share of the decoded frames that were processed."""
        return self.processed / self.decoded if self.decoded else 0.0

    @property
    def share_expected(self) -> float:
        """Share of the labelled person-seconds with an expected label."""
        total = sum(self.seconds_by_label.values())
        return sum(self.seconds_by_label.get(label, 0.0) for label in EXPECTED) / total if total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, including the shares."""
        return asdict(self) | {
            "share_with_people": round(self.share_with_people, 4),
            "share_processed": round(self.share_processed, 4),
            "share_walk_or_stand": round(self.share_expected, 4),
        }


async def recognise(config: Config, seconds: float | None = None) -> Recognised:
    """Run the engine on one camera until it ends or for `seconds`, and return the figures."""
    async with Engine(config) as engine:
        messages = engine.results(buffer=100_000)
        with suppress(TimeoutError):
            await asyncio.wait_for(engine.wait(), seconds)
        stats = engine.stats()
    return summarise([message async for message in messages if isinstance(message, Frame)], stats)


def summarise(frames: Iterable[Frame], stats: Stats) -> Recognised:
    """Compute the figures from a camera's results in order."""
    seconds: defaultdict[str, float] = defaultdict(float)
    last: dict[tuple[int, int], tuple[int, str]] = {}
    frames = list(frames)
    tracks: dict[int, set[int]] = defaultdict(set)
    for frame in frames:
        for person in frame.people:
            tracks[frame.epoch].add(person.track)
            key = (frame.epoch, person.track)
            if key in last:
                since_us, label = last[key]
                seconds[label] += min((frame.media_time_us - since_us) / 1e6, MAX_GAP_S)
            if person.action is not None:
                last[key] = (frame.media_time_us, person.action.label)
    (camera,) = stats.cameras
    return Recognised(
        frames=len(frames),
        frames_with_people=sum(bool(frame.people) for frame in frames),
        seconds_by_label={label: round(value, 2) for label, value in sorted(seconds.items())},
        tracks=sum(len(of_epoch) for of_epoch in tracks.values()),
        decoded=camera.decoded,
        processed=camera.processed,
        dropped=camera.dropped,
    )
