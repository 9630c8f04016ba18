"""Counts of a camera's published frames, by what the detector looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from stages.looks import Look, LookKind

KINDS: tuple[LookKind, ...] = get_args(LookKind)

RECENT_S = 30.0
"""Recent frames are those of the last 30 to 60 s."""

_PHRASES: dict[LookKind, str] = {
    "whole": "looked at as a whole",
    "regions": "looked at in regions",
    "nothing": "not looked at because nothing moves",
    "skipped": "skipped between detections",
}


class LookCounts:
    """Counts since the camera was started, and recent ones.

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
        self._before, self._later = dict(self.frames), dict(self.frames)
        self._later_s = 0.0
        """Time since `_later` was taken."""

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
        self._later_s += seconds
        if self._later_s >= RECENT_S:
            self._before, self._later, self._later_s = self._later, dict(self.frames), 0.0

    def recent(self) -> dict[LookKind, int]:
        """Return the recent frames, by what the detector looked at."""
        return {kind: count - self._before[kind] for kind, count in self.frames.items()}


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
