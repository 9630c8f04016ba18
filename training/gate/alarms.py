"""Alarms of two checkpoints on the same videos, paired: which of them both raise, and which only one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from training.gate.decision import Alarm, Alarms

MINUTE_S = 60.0


class Raised(NamedTuple):
    """An alarm of one checkpoint: its action or rule, the person (None: a number of people), and seconds of the video.

    A person has the same `track` with both checkpoints, because the detector and the tracker are the same.
    """

    video: str
    what: str
    track: int | None
    begin_s: float
    end_s: float


_Key = tuple[str, str, int | None]


def alarms(what: str, seconds: Iterable[float], old: Sequence[Raised], new: Sequence[Raised]) -> Alarms:
    """Return the paired alarms of both checkpoints. `seconds`: the lengths of the videos; `what` names the alarms."""
    lengths = list(seconds)
    minutes = sum(math.ceil(length / MINUTE_S) for length in lengths)
    return Alarms(what, sum(lengths) / 3600, minutes, list(paired(old, new)))


def paired(old: Sequence[Raised], new: Sequence[Raised]) -> Iterator[Alarm]:
    """Yield every alarm once: one of OLD and one of NEW that overlap, of the same video, person and action, are one."""
    by_key: dict[_Key, tuple[list[Raised], list[Raised]]] = {}
    for side, ones in enumerate((old, new)):
        for one in sorted(ones, key=_begin):
            by_key.setdefault((one.video, one.what, one.track), ([], []))[side].append(one)
    for these, those in by_key.values():
        while these and those:
            if these[0].end_s < those[0].begin_s:
                yield _alarm(these.pop(0), old=True, new=False)
            elif those[0].end_s < these[0].begin_s:
                yield _alarm(those.pop(0), old=False, new=True)
            else:
                yield _alarm(min(these.pop(0), those.pop(0), key=_begin), old=True, new=True)
        yield from (_alarm(one, old=True, new=False) for one in these)
        yield from (_alarm(one, old=False, new=True) for one in those)


def _begin(one: Raised) -> float:
    return one.begin_s


def _alarm(one: Raised, *, old: bool, new: bool) -> Alarm:
    return Alarm(one.what, (one.video, int(one.begin_s // MINUTE_S)), old, new)
