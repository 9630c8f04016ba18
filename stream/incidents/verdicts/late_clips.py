"""Verdicts that came before their clip was complete, and the clips that may show them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from stream.incidents.incident import Incident
from stream.results import ClipReady

MOST_WAITING = 1000
"""Verdicts that wait for their clip; the earliest are given up, because their clips are never recorded."""
MOST_COMPLETE = 200
"""Clips that wait to be looked at. If there are more, all clips of the recorder are looked through instead."""
RECENT_CLIPS = 64
"""Clips that became complete just before a verdict, which the store may not know yet."""


class _Moment(NamedTuple):
    """When an incident began, as clips tell it."""

    run: str
    camera: str
    epoch: int
    media_time_us: int


class LateClips:
    """Takes complete clips and finds the verdicts that waited for them. One thread takes clips, another looks at them.

    All methods are quick, whatever the disk does.
    """

    def __init__(self) -> None:
        self.look_through = True
        """Whether all clips of the recorder are to be looked through: an earlier run may have left some of verdicts."""
        self._waiting: dict[str, _Moment] = {}
        """By the ids of the incidents, the earliest verdict first."""
        self._complete: deque[ClipReady] = deque()
        self._recent: deque[ClipReady] = deque(maxlen=RECENT_CLIPS)

    def take(self, ready: ClipReady) -> None:
        """Take a clip that is complete. Any thread may call it."""
        self._recent.append(ready)
        if self._waiting:  # looked at after `_recent` was changed, and in `wait` the other way round
            self._queue(ready)

    def wait(self, incident: Incident) -> None:
        """Let the verdict on an incident wait for its clip."""
        if incident.media_time_us is None:
            return
        self._waiting[incident.id] = _Moment(incident.run, incident.camera, incident.epoch, incident.media_time_us)
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def look_at_recent(self, name: str) -> None:
        """Look again at the clips that became complete just before this verdict waited."""
        began = self._waiting.get(name)
        for ready in list(self._recent):
            if began is not None and _shows(ready, began):
                self._queue(ready)

    def forget(self, name: str) -> None:
        """Let the verdict on an incident no longer wait."""
        self._waiting.pop(name, None)

    def next(self) -> ClipReady | None:
        """Return the next clip to look at, None if there is none."""
        return self._complete.popleft() if self._complete else None

    def shown_by(self, ready: ClipReady) -> list[str]:
        """Return the incidents with a waiting verdict whose begin this clip shows."""
        return [name for name, began in self._waiting.items() if _shows(ready, began)]

    def _queue(self, ready: ClipReady) -> None:
        if len(self._complete) < MOST_COMPLETE:
            self._complete.append(ready)
        else:
            self.look_through = True


def _shows(ready: ClipReady, began: _Moment) -> bool:
    return (ready.run, ready.camera, ready.epoch) == began[:3] and (
        ready.start_media_time_us <= began.media_time_us <= ready.end_media_time_us
    )
