"""Export of traces to a collector by OTLP over HTTP, in a separate thread.

The engine starts and stops it. Spans wait in a bounded queue; if the collector is slow or unreachable, spans that do
not fit are lost and counted by reason. OpenTelemetry's environment variables configure address and protocol
(docs/tracing.md). Only this module uses OpenTelemetry, and only `start` imports it, so that it is not needed without
tracing.

Conversion of a recorded batch to spans.

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

import logging
import os
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from telemetry.reasons import DropReason
from telemetry.tracing.frame_traces import TracedBatch, TracedFrame

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan


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


logger = logging.getLogger(__name__)

QUEUED_SPANS = 8192
"""Limit of queued spans: a few MB, or 6 s of four cameras with every frame traced."""
SPANS_PER_REQUEST = 128
"""Encoding takes 35 µs per span, so 128 spans keep the thread busy for about the 5 ms after which it releases the GIL
anyway."""
EXPORT_EVERY_S = 1.0
SHUTDOWN_GRACE_S = 0.1
"""Wait for the thread after shutdown. A request in progress cannot be cancelled; the thread then ends after it."""
EXPORTER_LOGGER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
LOST_REASONS = ("queue_full", "refused", "shutdown")
"""The queue was full; the collector refused them or was unreachable; the engine stopped before they were sent."""


_QUERY = re.compile(r"\?\S+")
"""Query of an address, which may contain a key."""


class TracingUnavailableError(Exception):
    """Tracing is enabled but OpenTelemetry is not installed; the message gives the remedy."""


def check_installed() -> None:
    """Raise `TracingUnavailableError` if OpenTelemetry is not installed."""
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.resources  # noqa: F401
    except ImportError as error:
        raise TracingUnavailableError(
            f"OpenTelemetry cannot be imported ({error}). Run: pip install 'partstream[tracing]'"
        ) from None


class SpanExport:
    """Queue of spans and the thread that sends them. `put` may be called from any thread and does not block."""

    def __init__(self, run: str) -> None:
        """`run`: id of the engine's run, sent as `service.instance.id`."""
        self.exported = 0
        """Spans accepted by the collector."""
        self.lost = dict.fromkeys(LOST_REASONS, 0)
        """Lost spans, by reason."""
        self._run = run
        self._lock = threading.Lock()
        self._queue: deque[TracedBatch] = deque()
        self._queued = 0
        self._closed = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False
        self._last_error = ""

    def start(self) -> None:
        """Start the thread. Raises `TracingUnavailableError` if OpenTelemetry is not installed."""
        check_installed()
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource

        for name in PROTOCOL_VARIABLES:
            if os.environ.get(name, PROTOCOL) != PROTOCOL:
                logger.warning("%s is not %s, which is the only supported protocol and is used instead", name, PROTOCOL)
        ours = {"service.name": "partstream", "service.instance.id": self._run}
        self._resource: Resource = Resource.create(ours).merge(OTELResourceDetector().detect())
        self._exporter = OTLPSpanExporter()
        logging.getLogger(EXPORTER_LOGGER).addFilter(self._capture_exporter_message)
        self._thread = threading.Thread(target=self._run_thread, name="span export", daemon=True)
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Send queued spans for at most `within_s`; the rest is lost. Idempotent, and allowed without `start`."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(within_s)
        with self._lock:
            self._closed = True
            self.lost["shutdown"] += self._queued
            self._queue.clear()
            self._queued = 0
        if self._thread is not None:
            self._exporter.shutdown()  # ends a pause between two attempts
            self._thread.join(SHUTDOWN_GRACE_S)
            logging.getLogger(EXPORTER_LOGGER).removeFilter(self._capture_exporter_message)
            self._thread = None

    def put(self, batch: TracedBatch) -> None:
        """Queue the batch's spans. They are lost if the queue is full, and after `stop`."""
        count = span_count(batch)
        with self._lock:
            if self._closed:
                self.lost["shutdown"] += count
            elif self._queued + count > QUEUED_SPANS:
                self.lost["queue_full"] += count
            else:
                self._queue.append(batch)
                self._queued += count

    # -- exporting thread ---------------------------------------------------------------------------------------
    def _run_thread(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stopping.wait(EXPORT_EVERY_S)
            while batches := self._take():
                self._send([span for batch in batches for span in spans_of(batch)])

    def _take(self) -> list[TracedBatch]:
        """Return batches for one request: at least one if any is queued."""
        taken: list[TracedBatch] = []
        spans = 0
        with self._lock:
            while self._queue:
                count = span_count(self._queue[0])
                if taken and spans + count > SPANS_PER_REQUEST:
                    break
                taken.append(self._queue.popleft())
                spans += count
            self._queued -= spans
        return taken

    def _send(self, spans: list[Span]) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self._last_error = ""
        try:
            sent = self._exporter.export([readable(span, self._resource) for span in spans])
            taken = sent is SpanExportResult.SUCCESS
        except Exception as error:
            taken = False
            self._last_error = _QUERY.sub("?…", f"{type(error).__name__}: {error}")
        if taken:
            self.exported += len(spans)
        else:
            self.lost["refused"] += len(spans)
        if self._failing == taken:  # log changes only, not every request
            self._failing = not taken
            if taken:
                logger.info("traces are sent again; %d spans were lost so far", sum(self.lost.values()))
            else:
                logger.warning(
                    "traces cannot be sent: %s. Check OTEL_EXPORTER_OTLP_ENDPOINT and the collector. "
                    "Results are still published",
                    self._last_error or "the collector does not respond",
                )

    def _capture_exporter_message(self, record: logging.LogRecord) -> bool:
        """Keep the exporter's message on each failed attempt out of the log, and remember the first for ours."""
        if self._thread is None or record.thread != self._thread.ident:
            return True
        if not self._last_error:
            self._last_error = _QUERY.sub("?…", record.getMessage()).rstrip(".")
        return False


def readable(span: Span, resource: Resource) -> ReadableSpan:
    """Return the span as an OpenTelemetry `ReadableSpan`."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

    def context(trace_id: int, span_id: int) -> SpanContext:
        return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    return ReadableSpan(
        span.name,
        context=context(*span.ids),
        parent=None if span.parent is None else context(span.ids[0], span.parent),
        resource=resource,
        attributes=span.attributes,
        links=[Link(context(*linked)) for linked in span.links],
        status=Status() if span.error is None else Status(StatusCode.ERROR, span.error),
        start_time=span.began_ns,
        end_time=span.ended_ns,
        instrumentation_scope=InstrumentationScope("partstream"),
    )
