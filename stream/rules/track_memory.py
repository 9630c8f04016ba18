"""What is remembered of each track of an epoch, for as long as the track can return."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

KEPT_US = 60_000_000
"""Media time after which a track that is not seen is forgotten. Readers of published results learn of no end of a
track; its number is never used again, so that this only bounds the memory."""

Memory = TypeVar("Memory")


class TrackMemory(Generic[Memory]):
    """One `Memory` for each track, made by `make` when the track is first seen."""

    def __init__(self, make: Callable[[], Memory]) -> None:
        self._make = make
        self._tracks: dict[int, Memory] = {}
        self._seen_us: dict[int, int] = {}
        self._next_sweep_us: int | None = None

    def of(self, track: int, media_us: int) -> Memory:
        """Return the memory of a track that is seen at this media time."""
        seen_us = self._seen_us.get(track)
        self._seen_us[track] = media_us
        if seen_us is not None and media_us - seen_us <= KEPT_US:
            return self._tracks[track]
        made = self._tracks[track] = self._make()
        return made

    def forget(self, ended: Iterable[int], media_us: int) -> None:
        """Forget tracks that have ended, and those not seen for `KEPT_US`."""
        for track in ended:
            if self._tracks.pop(track, None) is not None:
                del self._seen_us[track]
        if self._next_sweep_us is None:
            self._next_sweep_us = media_us + KEPT_US
        elif media_us > self._next_sweep_us:
            self._next_sweep_us = media_us + KEPT_US
            for track in [track for track, seen_us in self._seen_us.items() if media_us - seen_us > KEPT_US]:
                del self._tracks[track], self._seen_us[track]

    def __len__(self) -> int:
        return len(self._tracks)
