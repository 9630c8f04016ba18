"""Segments: the recorded results of one camera in one epoch of a run, in order, as columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.rules.bodies import Point
from stream.rules.signals import Seen, Signal

Numbers = NDArray[np.int64]
People = Callable[[int], Sequence["SeenPerson"]]
"""Takes the index of a frame with people, and returns them. Called once for each such frame, in order."""


@dataclass(slots=True)
class SeenPerson(Seen):
    """A person in a recorded frame. `foot` is None in results that lack it."""

    foot: Point | None = None


class Frames(NamedTuple):
    """Columns of the frames of one epoch: int64 [N] each."""

    seq: Numbers
    frame: Numbers
    capture_us: Numbers
    media_us: Numbers

    def kept(self, rows: NDArray[np.bool_] | Numbers) -> Frames:
        """Return these rows."""
        return Frames(*(column[rows] for column in self))


@dataclass(frozen=True, slots=True)
class Segment:
    """The results of one camera in one epoch of a run: `seq` ascends, and media time never falls.

    `busy`: the indices of the frames with people, ascending. `people` returns what reads them: for each replay, it is
    called once with the signals that the rules need. `size`: width and height of the picture. `hole_after`: whether
    results between this and the next one are missing, or may be.
    """

    camera: str
    run: str
    epoch: int
    size: tuple[int, int]
    frames: Frames
    busy: Numbers
    people: Callable[[Sequence[Signal]], People]
    hole_after: bool = False


class Order(NamedTuple):
    """Which rows of an epoch's results are used, in order."""

    rows: Numbers
    duplicates: int
    late: int
    """Results with an earlier media time than one before them, which the evaluator ignores."""


def order_of(seq: Numbers, media_us: Numbers) -> Order:
    """Return the rows in the order of `seq`, without duplicates, and without those whose media time falls."""
    rows = np.arange(len(seq))
    if np.any(np.diff(seq) <= 0):
        rows = np.argsort(seq, kind="stable")
        first = np.ones(len(seq), bool)
        first[1:] = np.diff(seq[rows]) > 0
        rows = rows[first]
    duplicates = len(seq) - len(rows)
    media_us = media_us[rows]
    in_time = media_us >= np.maximum.accumulate(media_us)
    late = len(rows) - int(np.count_nonzero(in_time))
    return Order(rows if not late else rows[in_time], duplicates, late)
