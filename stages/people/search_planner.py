"""Choice of the view that is searched for small people, if any, in each frame of one camera's epoch.

A frame is searched in one view at most, because a search of the whole picture and all tiles at once would delay the
results of all cameras. The views follow one another in rounds, the whole picture first.
"""

from __future__ import annotations

from ring_buffers.frames import FrameMeta
from stages.detection.views.search_views import search_views
from stages.looks import Region

FIRST_ROUND_US = 1_500_000
"""Length of the first round, which begins after the epoch's first frame: that frame's result must not wait for it."""


class SearchPlanner:
    """Plans the searches of one camera's epoch, in order of its frames.

    Views are due at equal intervals. One that is late, after a pause, does not move the next ones, so that cameras that
    pause together do not search together afterwards.
    """

    def __init__(self, search_s: float, phase: float = 0.0) -> None:
        """`search_s`: seconds of a round. `phase`: share, below 1, of the time between views, by which all views
        are delayed.
        """
        self._round_us = round(search_s * 1e6)
        self._phase = phase
        self._begin_us: int | None = None
        self._earliest_us = 0
        self._searched_us: int | None = None
        self._count = 0
        """Views that have been searched."""

    def begin(self, meta: FrameMeta) -> None:
        """Note the epoch's first frame."""
        if self._begin_us is None:
            self._begin_us, self._earliest_us = meta.media_us, meta.media_us + 1

    def due(self, meta: FrameMeta, rarity: int, newest: bool = True) -> Region | None:
        """Return the view that is due in a frame, or None.

        `rarity`: by how much a round is longer than `search_s`. If the frame is not the `newest` one of its camera, a
        view is left to the next one.
        """
        if self._begin_us is None or meta.media_us < self._earliest_us:
            return None
        views = search_views(meta.format.size)
        first_us = min(FIRST_ROUND_US, self._round_us)
        step_us = max((first_us if self._count < len(views) else rarity * self._round_us) // len(views), 1)
        begin_us = self._begin_us + int(self._phase * step_us)
        before = -1 if self._searched_us is None else (self._searched_us - begin_us) // step_us
        if (meta.media_us - begin_us) // step_us <= before:
            return None
        if not newest:
            self._earliest_us = meta.media_us + 1
            return None
        return views[self._count % len(views)]

    def searched(self, meta: FrameMeta) -> None:
        """Note that the view that was due has been searched in a frame."""
        self._searched_us, self._earliest_us = meta.media_us, meta.media_us + 1
        self._count += 1
