"""Replay of recorded results through the evaluator of rules, in media time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import count

from msgspec.structs import replace

from stream.backtest.segments import Segment
from stream.results import Alert
from stream.rules.alerts import Moment
from stream.rules.compiled import CompiledRules
from stream.rules.evaluator import Evaluator


def replay(segments: Iterable[Segment], rules: CompiledRules, zones: Collection[str] | None = None) -> Iterator[Alert]:
    """Yield the messages about alerts that a running engine would have published, with run and `seq`.

    `segments`: of one camera, in order. `zones`: the camera's, except for ignored ones; None if it has every zone that
    rules name. A new epoch clears the alerts of the one before, and a new run those of the run before. Alerts that are
    on at the end stay open.
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
        yield from numbered(_replay_segment(segment, evaluator, rules))


def _replay_segment(segment: Segment, evaluator: Evaluator, rules: CompiledRules) -> Iterator[Alert]:
    frames = segment.frames
    people_of = segment.people(rules.signals)
    busy = set(segment.busy.tolist())
    numbers = zip(map(int, frames.frame), map(int, frames.capture_us), map(int, frames.media_us), strict=True)
    for index, (frame, capture_us, media_us) in enumerate(numbers):
        moment = Moment(segment.camera, segment.epoch, frame, capture_us, media_us)
        yield from evaluator.update(moment, people_of(index) if index in busy else ()).alerts
