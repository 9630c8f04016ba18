"""Selection of traced frames and recording of their times.

A `FrameTraces` lives as long as its engine and is used by the inference thread only. It does not depend on
OpenTelemetry: each finished batch is passed on and converted to spans elsewhere (`telemetry.tracing.span_export`,
`telemetry.tracing.span_export`). Times are in monotonic nanoseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Protocol

from telemetry.observer import Observer

ID_BITS = 64


class FrameTimes(Protocol):
    """Identity and times of a frame."""

    @property
    def camera(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def frame(self) -> int: ...
    @property
    def arrival_ns(self) -> int: ...
    @property
    def ready_ns(self) -> int: ...


class FrameKey(NamedTuple):
    """Identifies a frame within the engine's run."""

    camera: str
    epoch: int
    frame: int


class StageTimes(NamedTuple):
    """Start and end of a stage of a batch."""

    stage: str
    began_ns: int
    ended_ns: int


@dataclass(slots=True)
class TracedFrame:
    """A traced frame. `published_ns` is None until its result was handed to ZeroMQ."""

    trace_id: int
    key: FrameKey
    arrival_ns: int
    ready_ns: int
    published_ns: int | None = None
    people: int = 0


class Failure(NamedTuple):
    """Stage that lost a batch, and the type of the error. Its message is left out because it may contain secrets."""

    stage: str
    error: str


@dataclass(slots=True)
class TracedBatch:
    """A batch of `size` frames, with those of them that are traced."""

    size: int
    began_ns: int
    frames: list[TracedFrame]
    stages: list[StageTimes] = field(default_factory=list[StageTimes])
    analysed_ns: int | None = None
    """End of the model's work; None if it failed."""
    ended_ns: int = 0
    utc_ns: int = 0
    """Offset from monotonic time to UTC in nanoseconds since 1970."""
    failure: Failure | None = None


class FrameTraces(Observer):
    """Selects frames and records their times. All methods are called by the inference thread.

    Order of calls: `choose` for a batch; then, for each part in which the batch is processed, `begin`, `analysed` or
    `failed`, `published` for its frames, and `end`. Parts without `end` are discarded.
    """

    def __init__(self, sample_ratio: float, hand_over: Callable[[TracedBatch], None]) -> None:
        """`sample_ratio`: share of traced frames, 0 to 1. `hand_over` must neither block nor raise."""
        # Same rule as OpenTelemetry's TraceIdRatioBased, so that further sampling by it is consistent.
        self._bound = round(sample_ratio * (1 << ID_BITS))
        self._random_bits = Random().getrandbits
        self._hand_over = hand_over
        self._chosen: dict[FrameKey, int] = {}
        self._batch: TracedBatch | None = None
        self._by_key: dict[FrameKey, TracedFrame] = {}

    def choose(self, frames: Sequence[FrameTimes]) -> None:
        """Select the frames of a batch to trace, before their outcome is known."""
        self._chosen = {}
        for frame in frames:
            low = self._random_bits(ID_BITS)
            if low < self._bound:
                self._chosen[_key(frame)] = (self._random_bits(ID_BITS) << ID_BITS | low) or 1

    def begin(self, frames: Sequence[FrameTimes], now_ns: int) -> None:
        """Start a part of the batch with these frames."""
        self._batch = None
        self._by_key = {}
        if not self._chosen:
            return
        for frame in frames:
            key = _key(frame)
            if key in self._chosen:
                self._by_key[key] = TracedFrame(self._chosen[key], key, frame.arrival_ns, frame.ready_ns)
        if self._by_key:
            self._batch = TracedBatch(len(frames), now_ns, list(self._by_key.values()))

    def stage_ran(self, stage: str, began_ns: int, ended_ns: int) -> None:
        """Record a finished stage of the current part."""
        if self._batch is not None:
            self._batch.stages.append(StageTimes(stage, began_ns, ended_ns))

    def analysed(self, now_ns: int) -> None:
        """Record the end of the model's work."""
        if self._batch is not None:
            self._batch.analysed_ns = now_ns

    def failed(self, stage: str, error: Exception) -> None:
        """Record that the current part was lost to an error."""
        if self._batch is not None:
            self._batch.failure = Failure(stage, type(error).__name__)

    def trace_id(self, frame: FrameTimes) -> str | None:
        """Return the trace id of a frame of the current part, 32 hexadecimal digits; None if it is not traced."""
        if not self._by_key:
            return None
        traced = self._by_key.get(_key(frame))
        return None if traced is None else f"{traced.trace_id:032x}"

    def published(self, frame: FrameTimes, now_ns: int, people: int) -> None:
        """Record that the frame's result, with `people` people, was handed to ZeroMQ."""
        if self._by_key and (traced := self._by_key.get(_key(frame))) is not None:
            traced.published_ns, traced.people = now_ns, people

    def end(self, now_ns: int) -> None:
        """Finish the current part and pass it on."""
        batch, self._batch, self._by_key = self._batch, None, {}
        if batch is not None:
            batch.ended_ns = now_ns
            batch.utc_ns = time.time_ns() - time.monotonic_ns()
            self._hand_over(batch)


def _key(frame: FrameTimes) -> FrameKey:
    return FrameKey(frame.camera, frame.epoch, frame.frame)
