"""Which frames are traced, and when what happened to them: a few numbers a traced frame, nothing for the others.

A `FrameTraces` lives as long as its engine and belongs to its inference thread, as every batch does. It knows no
OpenTelemetry: what it noted of a batch is handed over whole when the batch is done, and becomes spans elsewhere
(`telemetry.tracing.spans`, `telemetry.tracing.span_export`). Times are monotonic nanoseconds until then.
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
    """What a frame brings along."""

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
    """Names a frame within the engine's run."""

    camera: str
    epoch: int
    frame: int


class StageTimes(NamedTuple):
    """A stage of a batch, from when to when."""

    stage: str
    began_ns: int
    ended_ns: int


@dataclass(slots=True)
class TracedFrame:
    """One traced frame. `published_ns` is None until its result was handed over: for ever, if it is lost."""

    trace_id: int
    key: FrameKey
    arrival_ns: int
    ready_ns: int
    published_ns: int | None = None
    people: int = 0


class Failure(NamedTuple):
    """The stage that lost a batch, and the kind of its error: what an error says may hold a secret."""

    stage: str
    error: str


@dataclass(slots=True)
class TracedBatch:
    """A batch of `size` frames, some of which are traced."""

    size: int
    began_ns: int
    frames: list[TracedFrame]
    stages: list[StageTimes] = field(default_factory=list[StageTimes])
    analysed_ns: int | None = None
    """When the model had answered; None if it failed."""
    ended_ns: int = 0
    utc_ns: int = 0
    """What to add to a monotonic instant for UTC, nanoseconds since 1970."""
    failure: Failure | None = None


class FrameTraces(Observer):
    """Chooses frames and follows them through a batch. All methods are for the inference thread.

    The order of calls: `choose`, then for each piece in which the batch is worked on `begin`, `analysed` or `failed`,
    `published` for its frames, `end`. A piece that doesn't get as far as `end` is forgotten.
    """

    def __init__(self, sample_ratio: float, hand_over: Callable[[TracedBatch], None]) -> None:
        """`sample_ratio`: share of frames that are traced, 0 … 1. `hand_over` must neither block nor raise."""
        # The rule of OpenTelemetry's TraceIdRatioBased, so that whoever samples further by it agrees.
        self._bound = round(sample_ratio * (1 << ID_BITS))
        self._random_bits = Random().getrandbits
        self._hand_over = hand_over
        self._chosen: dict[FrameKey, int] = {}
        self._batch: TracedBatch | None = None
        self._by_key: dict[FrameKey, TracedFrame] = {}

    def choose(self, frames: Sequence[FrameTimes]) -> None:
        """Decide, once for each frame of a batch, whether it is traced: before anything is known of its outcome."""
        self._chosen = {}
        for frame in frames:
            low = self._random_bits(ID_BITS)
            if low < self._bound:
                self._chosen[_key(frame)] = (self._random_bits(ID_BITS) << ID_BITS | low) or 1

    def begin(self, frames: Sequence[FrameTimes], now_ns: int) -> None:
        """Work begins on these frames, all or a piece of those that were chosen from."""
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
        """A stage of the piece in hand is done."""
        if self._batch is not None:
            self._batch.stages.append(StageTimes(stage, began_ns, ended_ns))

    def analysed(self, now_ns: int) -> None:
        """The model has answered."""
        if self._batch is not None:
            self._batch.analysed_ns = now_ns

    def failed(self, stage: str, error: Exception) -> None:
        """The piece in hand is lost."""
        if self._batch is not None:
            self._batch.failure = Failure(stage, type(error).__name__)

    def trace_id(self, frame: FrameTimes) -> str | None:
        """The trace of a frame of the piece in hand, 32 hexadecimal digits; None if it isn't traced."""
        if not self._by_key:
            return None
        traced = self._by_key.get(_key(frame))
        return None if traced is None else f"{traced.trace_id:032x}"

    def published(self, frame: FrameTimes, now_ns: int, people: int) -> None:
        """The frame's result, with so many people in it, was handed over."""
        if self._by_key and (traced := self._by_key.get(_key(frame))) is not None:
            traced.published_ns, traced.people = now_ns, people

    def end(self, now_ns: int) -> None:
        """The piece in hand is done."""
        batch, self._batch, self._by_key = self._batch, None, {}
        if batch is not None:
            batch.ended_ns = now_ns
            batch.utc_ns = time.time_ns() - time.monotonic_ns()
            self._hand_over(batch)


def _key(frame: FrameTimes) -> FrameKey:
    return FrameKey(frame.camera, frame.epoch, frame.frame)
