"""From what was noted of a batch to its spans: what is whose parent, what is linked to what. Pure but for random ids.

    frame                   from arrival until its result was handed to ZeroMQ: a trace of its own
      decode                arrival until its slot was filled
      wait                  until work on its batch began
      analyse               the model, over the batch; linked to the batch
        detection, …        its stages
      publish               until its result was handed over, after those of the batch's frames before it
    batch                   a trace of its own, linked to its traced frames

A frame's children follow on one another without a gap, so that they sum to the frame's age.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from telemetry.reasons import DropReason
from telemetry.tracing.frame_traces import TracedBatch, TracedFrame

Attribute = str | int
Ids = tuple[int, int]
"""A span's trace id (128 bits) and span id (64 bits)."""

_random_bits = Random().getrandbits


@dataclass(frozen=True, slots=True)
class Span:
    """One span: times in nanoseconds since 1970, UTC; `parent` is a span id of the same trace, None for its root."""

    name: str
    ids: Ids
    parent: int | None
    began_ns: int
    ended_ns: int
    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])
    links: tuple[Ids, ...] = ()
    error: str | None = None
    """What failed; None if nothing did."""


def span_count(batch: TracedBatch) -> int:
    """How many spans a batch makes, at most."""
    return 1 + len(batch.frames) * (5 + len(batch.stages))


def spans_of(batch: TracedBatch, new_span_id: Callable[[], int] | None = None) -> list[Span]:
    """The spans of a batch that is done: the batch's, then for each traced frame the frame's and its children."""
    new_id = new_span_id or _new_span_id
    own: Ids = (_random_bits(128) or 1, new_id())
    roots = [(frame.trace_id, new_id()) for frame in batch.frames]
    error, failing = None, {}
    if batch.failure is not None:
        error = f"stage {batch.failure.stage} failed: {batch.failure.error}"
        failing = {"partstream.stage": batch.failure.stage, "error.type": batch.failure.error}
    utc = batch.utc_ns
    found = [
        Span(
            "batch",
            own,
            None,
            batch.began_ns + utc,
            batch.ended_ns + utc,
            {"partstream.batch.frames": batch.size, **failing},
            tuple(roots),
            error,
        )
    ]
    analysed_ns = batch.ended_ns if batch.analysed_ns is None else batch.analysed_ns
    for frame, (trace, root) in zip(batch.frames, roots, strict=True):
        ended_ns = batch.ended_ns if frame.published_ns is None else frame.published_ns
        analyse = new_id()
        found += [
            Span(
                "frame",
                (trace, root),
                None,
                frame.arrival_ns + utc,
                ended_ns + utc,
                {**_described(frame, batch), **failing},
                error=error,
            ),
            Span("decode", (trace, new_id()), root, frame.arrival_ns + utc, frame.ready_ns + utc),
            Span("wait", (trace, new_id()), root, frame.ready_ns + utc, batch.began_ns + utc),
            Span(
                "analyse",
                (trace, analyse),
                root,
                batch.began_ns + utc,
                analysed_ns + utc,
                {"partstream.batch.frames": batch.size, **failing},
                (own,),
                error,
            ),
        ]
        found += [
            Span(times.stage, (trace, new_id()), analyse, times.began_ns + utc, times.ended_ns + utc)
            for times in batch.stages
        ]
        if frame.published_ns is not None:
            found.append(Span("publish", (trace, new_id()), root, analysed_ns + utc, ended_ns + utc))
    return found


def _described(frame: TracedFrame, batch: TracedBatch) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {
        "partstream.camera": frame.key.camera,
        "partstream.epoch": frame.key.epoch,
        "partstream.frame": frame.key.frame,
    }
    if frame.published_ns is not None:
        attributes["partstream.people"] = frame.people
    else:
        reason = DropReason.SHUTDOWN if batch.failure is None else DropReason.STAGE_ERROR
        attributes["partstream.dropped"] = reason.value
    return attributes


def _new_span_id() -> int:
    return _random_bits(64) or 1
