"""How much of the time the results of a camera cover, and where they have gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from stream.backtest.segments import Segment
from stream.rules.conditions import UNSEEN_US


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without results, longer than an engine remembers people, or in which results may have been lost.

    Capture times, µs UTC.
    """

    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """The results of a camera. `looked_us`: media time that they cover; `missing`: results that were lost by number."""

    camera: str
    results: int
    with_people: int
    missing: int
    looked_us: int
    first_us: int
    last_us: int
    gaps: list[Gap]

    @property
    def hours(self) -> float:
        """Hours of results."""
        return self.looked_us / 3.6e9


def utc_text(time_us: int) -> str:
    """Return a time as ISO 8601, UTC, to the millisecond."""
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000 // 1000:03d}Z"


def coverage_of(segments: Sequence[Segment]) -> Coverage:
    """Return what the segments of one camera cover; there is at least one."""
    looked_us = missing = results = busy = 0
    gaps: list[Gap] = []
    before: int | None = None
    hole = False
    for segment in segments:
        frames = segment.frames
        steps = np.diff(frames.media_us)
        looked_us += int(steps[steps <= UNSEEN_US].sum())
        missing += int(frames.seq[-1] - frames.seq[0]) + 1 - len(frames.seq)
        results += len(frames.seq)
        busy += len(segment.busy)
        capture_us = frames.capture_us
        if before is not None and (hole or int(capture_us[0]) - before > UNSEEN_US):
            gaps.append(Gap(before, max(before, int(capture_us[0]))))
        gaps += [Gap(int(capture_us[at]), int(capture_us[at + 1])) for at in np.flatnonzero(steps > UNSEEN_US).tolist()]
        before, hole = int(capture_us[-1]), segment.hole_after
    first, last = (min(int(one.frames.capture_us.min()) for one in segments)), before
    assert last is not None
    last = max(int(one.frames.capture_us.max()) for one in segments)
    return Coverage(segments[0].camera, results, busy, missing, looked_us, first, last, gaps)
