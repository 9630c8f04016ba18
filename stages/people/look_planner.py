"""Choice of what the detector looks at in each frame of one camera's epoch.

Where nothing moves and nobody is tracked, it looks at nothing. Else it looks at regions around motion and tracked
people or, where that costs less, at the whole picture. A sweep, a look at the whole picture every few seconds, finds
people who were already there and keep still. A tracked person is looked at, moving or not.

Sweeps and searches are rarer in a calm scene: nothing has moved, and no person was tracked, since the look at the whole
picture before. A frame is searched for small people in one view at most, because a search of the whole picture and all
tiles at once would delay the results of all cameras. The views follow one another in rounds, the whole picture first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta
from ring_buffers.motion.motion_map import MotionMap, boxes_of
from stages.detection.views.covering import Box, cost, cover, region_around
from stages.looks import NOTHING, WHOLE, Look, Region, look_at, search_views

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


MARGIN = 0.2
"""Room around tracked people and motion, in lengths of the longer side: a person moves, and motion may show only an arm
of one."""
MARGIN_PER_S = 0.5
"""More of it for each second in which a person has not been found."""
MOST_MARGIN = 1.0
REST_US = 400_000
"""For so long, motion that was looked at and is nobody's is not looked at again, because trees and traffic never rest.
It delays finding a person by no more than this."""
OBJECT_MARGIN = 0.25
"""Room around tracked people in which objects are looked for, in lengths of the longer side: things in hands reach
beyond a person's box."""
WHOLE_ABOVE = 0.9
"""Share of a whole picture's pixels above which the regions' cost as much."""
CALM = 4
"""Longest time between sweeps of a calm scene, in times of `sweep_s`. It doubles from sweep to sweep."""


class LookPlanner:
    """Plans the looks of one camera's epoch, in order of its frames."""

    def __init__(
        self,
        compare: bool,
        sweep_s: float,
        phase: float = 0.0,
        second_looks: float = 0.0,
        search_s: float | None = None,
        squares: bool = False,
    ) -> None:
        """`compare`: whether to look at the whole picture where regions would cost more. `second_looks` per second.

        `search_s`: seconds in which all views of a picture are searched once; None: there are no searches.
        `squares`: whether all regions are squares.

        `phase`: share, below 1, of the growth of the time between sweeps by which the next sweep is earlier, and of the
        time between searched views by which they are later. Cameras that start together therefore sweep and search at
        different times.
        """
        self._compare = compare
        self._squares = squares
        self._sweep_us = round(sweep_s * 1e6)
        self._phase = phase
        self._second_looks = second_looks
        self._again_us = 0
        self._search = None if search_s is None else SearchPlanner(search_s, phase)
        self._scene: int | None = None
        self._calm = False
        self._interval_us = 0
        """Time between sweeps."""
        self._due_us = 0
        """When the next one is due."""
        self._resting_until_us: NDArray[np.int64] | None = None
        """Of each cell of the motion's grid."""

    def plan(self, meta: FrameMeta, people: Iterable[tuple[Box, float]], newest: bool = True) -> Look:
        """Return what to look at. `people`: box in pixels of the epoch's first picture, and seconds since it was found.

        A frame without a map of its motion is looked at as a whole. If it is not the `newest` one of its camera, a
        sweep is left to the next one.
        """
        motion, people = meta.motion, list(people)
        if motion is None or motion.moves or people:
            self._calm = False
            self._due_us = min(self._due_us, meta.media_us + self._sweep_us)
        if motion is None or motion.everything or motion.scene != self._scene:
            return WHOLE
        look = NOTHING if self._calm else self._between_sweeps(meta, motion, people)
        if meta.media_us < self._due_us:
            return look
        if newest or look.anything:
            return WHOLE
        self._due_us = meta.media_us + 1
        return NOTHING

    def _between_sweeps(self, meta: FrameMeta, motion: MotionMap, people: Sequence[tuple[Box, float]]) -> Look:
        """Return what to look at where people and motion are."""
        size = meta.format.size
        boxes = [_widened(_scaled(box, meta.size, size), _margin(lost_s)) for box, lost_s in people]
        moving = motion.moving() & ~motion.cells_in(boxes, size)
        if self._resting_until_us is not None:
            moving &= self._resting_until_us <= meta.media_us
        boxes += [_widened(box, MARGIN) for box in boxes_of(moving, size)]
        if not boxes:
            return NOTHING
        content, target = meta.format.content, meta.format.target or meta.format.content
        regions = cover([_clipped(box, size) for box in boxes], size, content[0] / size[0], self._squares)
        if self._compare and cost(regions) > WHOLE_ABOVE * target[0] * target[1]:
            return WHOLE
        return look_at(regions)

    def search_view(self, meta: FrameMeta, newest: bool = True) -> Region | None:
        """Return the view to search in a frame that has been planned, or None.

        If the frame is not the `newest` one of its camera, a search is left to the next one.
        """
        if self._search is None:
            return None
        rarity = self._interval_us // self._sweep_us if self._calm else 1
        return self._search.due(meta, max(rarity, 1), newest)

    def second_looks(self, meta: FrameMeta) -> int:
        """Return the number of second looks that are due in a frame: at most those of a second, after any pause."""
        due = (meta.media_us - self._again_us) * 1e-6 * self._second_looks
        return int(min(due, max(self._second_looks, 1.0)))

    def looked(self, meta: FrameMeta, look: Look) -> None:
        """Note what was looked at in a frame."""
        motion = meta.motion
        if self._search is not None:
            self._search.begin(meta)
            if look.search is not None:
                self._search.searched(meta)
        if look.second_looks:
            self._again_us = meta.media_us
        if look.whole:
            before = self._interval_us
            self._interval_us = min(2 * before, CALM * self._sweep_us) if self._calm else self._sweep_us
            early_us = self._phase * max(self._interval_us - before, 0)
            self._due_us = meta.media_us + self._interval_us - round(early_us)
            self._calm = True
            self._scene = None if motion is None else motion.scene
        if motion is None:
            return
        if self._resting_until_us is None or self._resting_until_us.shape != (motion.rows, motion.columns):
            self._resting_until_us = np.zeros((motion.rows, motion.columns), np.int64)
        seen = motion.moving()
        if not look.whole:
            shown = [(one.left, one.top, one.left + one.size[0], one.top + one.size[1]) for one in look.regions]
            seen &= motion.cells_in(shown, meta.format.size)
        resting = self._resting_until_us > meta.media_us
        self._resting_until_us[seen & ~resting] = meta.media_us + REST_US


def region_of_objects(meta: FrameMeta, people: Iterable[Box] | None) -> Region:
    """Return where to look for objects: around all people, or in the whole picture for None.

    `people`: at least one box in pixels of the epoch's first picture.
    """
    size = meta.format.picture_size
    if people is None:
        return region_around((0.0, 0.0, *size), size)
    boxes = np.array([_clipped(_widened(_scaled(box, meta.size, size), OBJECT_MARGIN), size) for box in people])
    low, high = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
    return region_around((low[0], low[1], high[0], high[1]), size)


def _scaled(box: Box, size: tuple[int, int], to: tuple[int, int]) -> Box:
    """Return a box of a picture of `size` in pixels of the same picture scaled to the size `to`."""
    x, y = to[0] / size[0], to[1] / size[1]
    return (box[0] * x, box[1] * y, box[2] * x, box[3] * y)


def _margin(lost_s: float) -> float:
    return min(MARGIN + MARGIN_PER_S * lost_s, MOST_MARGIN)


def _widened(box: Box, share: float) -> Box:
    """Return a box with a margin of a share of its longer side."""
    margin = share * max(box[2] - box[0], box[3] - box[1])
    return (box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin)


def _clipped(box: Box, size: tuple[int, int]) -> Box:
    """Return the part inside the picture; of a box outside, a point on its edge."""
    width, height = size
    return (
        min(max(box[0], 0.0), width),
        min(max(box[1], 0.0), height),
        min(max(box[2], 0.0), width),
        min(max(box[3], 0.0), height),
    )
