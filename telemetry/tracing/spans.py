"""Conversion of a recorded batch to spans.

    frame                   root of a trace: from arrival until the result was handed to ZeroMQ
      decode                from arrival until the slot was filled
      wait                  until work on the batch began
      analyse               the model, for the whole batch; linked to the batch
        detection, …        stages of the model
      publish               until the result was handed to ZeroMQ, after earlier frames of the batch
    batch                   root of a trace, linked to the batch's traced frames

The child spans of a frame are contiguous, so that their durations sum to the frame's age.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from telemetry.reasons import DropReason
from telemetry.tracing.frame_traces import TracedBatch, TracedFrame

Attribute = str | int
Ids = tuple[int, int]
"""Trace id (128 bits) and span id (64 bits) of a span."""

_random_bits = Random().getrandbits


@dataclass(frozen=True, slots=True)
class Span:
    """A span. Times are UTC in nanoseconds since 1970; `parent` is a span id of the same trace, None for the root."""

    name: str
    ids: Ids
    parent: int | None
    began_ns: int
    ended_ns: int
    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])
    links: tuple[Ids, ...] = ()
    error: str | None = None
    """Description of the error, if any."""


def span_count(batch: TracedBatch) -> int:
    """Return the largest number of spans that a batch can have."""
    return 1 + len(batch.frames) * (5 + len(batch.stages))


def spans_of(batch: TracedBatch, new_span_id: Callable[[], int] | None = None) -> list[Span]:
    """Return the spans of a finished batch: its own, then each traced frame's span followed by its children."""
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
                {**_attributes(frame, batch), **failing},
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


def _attributes(frame: TracedFrame, batch: TracedBatch) -> dict[str, Attribute]:
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
