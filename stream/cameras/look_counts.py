"""Counts of a camera's published frames, by what the detector looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple, get_args

from stages.looks import Look, LookKind

KINDS: tuple[LookKind, ...] = get_args(LookKind)

RECENT_S = 60.0
"""Time over which recent frames are counted; up to the interval of `measure` longer."""
SAMPLE_EVERY_S = 1.0
"""Least time between samples, which limits their number."""

_PHRASES: dict[LookKind, str] = {
    "whole": "looked at as a whole",
    "regions": "looked at in regions",
    "nothing": "not looked at because nothing moves",
    "skipped": "skipped between detections",
}


class _Sample(NamedTuple):
    at_s: float
    frames: dict[LookKind, int]


class LookCounts:
    """Counts since the camera was started, and of the last minute.

    The inference thread calls `add`, the event loop everything else, which may miss the frame being counted.
    """

    def __init__(self) -> None:
        self.frames: dict[LookKind, int] = dict.fromkeys(KINDS, 0)
        """Frames by what the detector looked at."""
        self.regions = 0
        """Regions that the detector looked at."""
        self.objects = 0
        """Looks for objects."""
        self.searched = 0
        """Views that were searched for small people."""
        self._now_s = 0.0
        self._samples: deque[_Sample] = deque([_Sample(0.0, dict(self.frames))])

    def add(self, look: Look) -> None:
        """Count one frame."""
        self.frames[look.kind] += 1
        if look.regions:
            self.regions += len(look.regions)
        if look.objects is not None:
            self.objects += 1
        if look.search is not None:
            self.searched += 1

    def measure(self, seconds: float) -> None:
        """Note the counts, `seconds` after the last call."""
        self._now_s += seconds
        if self._now_s - self._samples[-1].at_s < SAMPLE_EVERY_S:
            return
        self._samples.append(_Sample(self._now_s, dict(self.frames)))
        while self._now_s - self._samples[1].at_s >= RECENT_S:
            self._samples.popleft()

    def recent(self) -> dict[LookKind, int]:
        """Return the frames of the last minute, by what the detector looked at."""
        before = self._samples[0].frames
        return {kind: count - before[kind] for kind, count in self.frames.items()}


def in_words(frames: Mapping[LookKind, int]) -> str:
    """Return the shares of frames by what the detector looked at, as text; empty if there are no frames."""
    kinds: list[LookKind] = [kind for kind, count in frames.items() if count]
    kinds.sort(key=lambda kind: -frames[kind])
    total = sum(frames.values())
    parts = [f"{_percent(frames[kind] / total)} {_PHRASES[kind]}" for kind in kinds]
    if kinds[:1] == ["nothing"]:
        parts[0] = f"nothing moves: {_percent(frames['nothing'] / total)} of frames not looked at"
    elif kinds:
        parts[0] = parts[0].replace(" %", " % of frames", 1)
    return ", ".join(parts)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.005 else "under 1 %"
