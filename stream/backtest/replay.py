"""Replay of recorded results through the evaluator of rules, in media time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import count, pairwise

import numpy as np
from msgspec.structs import replace

from stream.backtest.segments import Segment
from stream.results import Alert
from stream.rules.alerts import Moment
from stream.rules.compiled import CompiledRules
from stream.rules.evaluator import Evaluator
from stream.rules.runs import UNSEEN_US


def replay(
    segments: Iterable[Segment],
    rules: CompiledRules,
    zones: Collection[str] | None = None,
    *,
    every_frame: bool = False,
) -> Iterator[Alert]:
    """Yield the messages about alerts that a running engine would have published, with run and `seq`.

    `segments`: of one camera, in order. `zones`: the camera's, except for ignored ones; None if it has every zone that
    rules name. A new epoch clears the alerts of the one before, and a new run those of the run before. Alerts that are
    on at the end stay open. Stretches without people are skipped as far as they change nothing; `every_frame` evaluates
    them, too, with the same answers.
    """
    evaluator: Evaluator | None = None
    run = ""
    numbers = count(1)
    seqs: dict[tuple[str, int], Iterator[int]] = {}

    def numbered(alerts: Iterable[Alert]) -> Iterator[Alert]:
        for alert in alerts:
            yield replace(alert, run=run, seq=next(seqs.setdefault((run, alert.epoch), count())))

    for segment in segments:
        if evaluator is None or segment.run != run:
            if evaluator is not None:
                yield from numbered(evaluator.end("restart"))
            run = segment.run
            ids = (f"try-{segment.camera}-{number}" for number in numbers)
            evaluator = Evaluator(rules, segment.camera, ids.__next__)
            if zones is not None:
                evaluator.place_zones(zones)
        yield from numbered(_replay_segment(segment, evaluator, rules, every_frame))


def _replay_segment(segment: Segment, evaluator: Evaluator, rules: CompiledRules, every_frame: bool) -> Iterator[Alert]:
    frames = segment.frames
    media_us, capture_us = frames.media_us, frames.capture_us
    people_of = segment.people(rules.signals)
    busy = set(segment.busy.tolist())

    def moment(index: int) -> Moment:
        times = (int(capture_us[index]), int(media_us[index]))
        return Moment(segment.camera, segment.epoch, int(frames.frame[index]), *times)

    if every_frame:
        for index in range(len(media_us)):
            yield from evaluator.update(moment(index), people_of(index) if index in busy else ()).alerts
        return
    for start, end in pairwise([*_starts(segment), len(media_us)]):
        at = start
        seen = people_of(at) if at in busy else ()
        yield from evaluator.update(moment(at), seen).alerts
        while at + 1 < end:
            until_media_us, until_capture_us = evaluator.quiet_until()
            ahead = media_us[at + 1 : end], capture_us[at + 1 : end]
            quiet, same_minute = (
                int(ahead[0].searchsorted(until_media_us)),
                int(ahead[1].searchsorted(until_capture_us)),
            )
            if 0 < same_minute <= quiet:
                # Hours may begin or end after this frame, the last one in which conditions may hold.
                at += same_minute
            else:
                at = min(at + 1 + min(quiet, same_minute), end - 1)
            yield from evaluator.update(moment(at), (), contiguous=True).alerts


def _starts(segment: Segment) -> list[int]:
    """Return the indices of the frames at which stretches of frames without people begin, or that have people.

    A stretch has no gaps, and its capture times never fall.
    """
    frames = segment.frames
    breaks = (np.diff(frames.media_us) > UNSEEN_US) | (np.diff(frames.capture_us) < 0)
    starts = np.concatenate(([0], segment.busy, np.flatnonzero(breaks) + 1))
    return np.unique(starts).tolist() if len(frames.media_us) else []
