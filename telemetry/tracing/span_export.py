"""Sends traces to a collector by OTLP over HTTP, from a thread of its own; the only place that knows OpenTelemetry.

Owned by the engine, from `start` to `stop`. What is to be sent waits in a bounded queue: if the collector is slow, or
isn't there, what doesn't fit is lost, and counted by reason. Where the collector is, and how it wants to be spoken to,
is said by OpenTelemetry's own environment variables (docs/tracing.md). OpenTelemetry is imported by `start`, so that
who doesn't trace needs and loads none of it.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import deque
from typing import TYPE_CHECKING

from telemetry.tracing.frame_traces import TracedBatch
from telemetry.tracing.spans import Span, span_count, spans_of

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

logger = logging.getLogger(__name__)

QUEUED_SPANS = 8192
"""More spans than this wait for no collector: a few MB, and 6 s of four cameras of which every frame is traced."""
SPANS_A_REQUEST = 128
"""Encoding a span takes 35 µs, and a busy Python thread gives way only every 5 ms: a frame shouldn't wait longer for it
than for anything else."""
EXPORT_EVERY_S = 1.0
LEAVE_WITHIN_S = 0.1
"""A request that is under way then can't be called back: its thread is left behind, and ends with it."""
EXPORTER_LOGGER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
LOST_REASONS = ("queue_full", "refused", "shutdown")
"""Too many waited; the collector didn't take them, or wasn't there; the engine stopped before they were sent."""


_QUERY = re.compile(r"\?\S+")
"""An address's query, which may hold a key."""


class TracingUnavailableError(Exception):
    """Traces are wanted, and what sends them isn't installed; the message says what to do."""


class SpanExport:
    """The queue and its thread. `put` may be called from any thread and never waits for the collector."""

    def __init__(self, run: str) -> None:
        """`run` names the engine's run: `service.instance.id`."""
        self.exported = 0
        """Spans that the collector took."""
        self.lost = dict.fromkeys(LOST_REASONS, 0)
        """Spans that it never got, by reason."""
        self._run = run
        self._lock = threading.Lock()
        self._queue: deque[TracedBatch] = deque()
        self._queued = 0
        self._closed = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False
        self._exporters_words = ""

    def start(self) -> None:
        """Begin to send. Raises `TracingUnavailableError` where OpenTelemetry isn't installed."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        except ImportError as error:
            raise TracingUnavailableError(
                f"OpenTelemetry can't be imported ({error}): pip install 'partstream[tracing]'"
            ) from None
        for name in PROTOCOL_VARIABLES:
            if os.environ.get(name, PROTOCOL) != PROTOCOL:
                logger.warning("%s is not %s: traces are sent by that all the same", name, PROTOCOL)
        ours = {"service.name": "partstream", "service.instance.id": self._run}
        self._resource: Resource = Resource.create(ours).merge(OTELResourceDetector().detect())
        self._exporter = OTLPSpanExporter()
        logging.getLogger(EXPORTER_LOGGER).addFilter(self._keep_to_ourselves)
        self._thread = threading.Thread(target=self._live, name="span export", daemon=True)
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Send what waits, for so long at most; the rest is lost. May be called again, and without `start`."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(within_s)
        with self._lock:
            self._closed = True
            self.lost["shutdown"] += self._queued
            self._queue.clear()
            self._queued = 0
        if self._thread is not None:
            self._exporter.shutdown()  # ends its waiting between two attempts
            self._thread.join(LEAVE_WITHIN_S)
            logging.getLogger(EXPORTER_LOGGER).removeFilter(self._keep_to_ourselves)
            self._thread = None

    def put(self, batch: TracedBatch) -> None:
        """Have the batch's spans sent; if too many wait already, or after `stop`, they are lost."""
        count = span_count(batch)
        with self._lock:
            if self._closed:
                self.lost["shutdown"] += count
            elif self._queued + count > QUEUED_SPANS:
                self.lost["queue_full"] += count
            else:
                self._queue.append(batch)
                self._queued += count

    # -- in its thread ------------------------------------------------------------------------------------------
    def _live(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stopping.wait(EXPORT_EVERY_S)
            while batches := self._take():
                self._send([span for batch in batches for span in spans_of(batch)])

    def _take(self) -> list[TracedBatch]:
        """Batches for one request: at least one, if any waits."""
        taken: list[TracedBatch] = []
        spans = 0
        with self._lock:
            while self._queue:
                count = span_count(self._queue[0])
                if taken and spans + count > SPANS_A_REQUEST:
                    break
                taken.append(self._queue.popleft())
                spans += count
            self._queued -= spans
        return taken

    def _send(self, spans: list[Span]) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self._exporters_words = ""
        try:
            sent = self._exporter.export([readable(span, self._resource) for span in spans])
            taken = sent is SpanExportResult.SUCCESS
        except Exception as error:
            taken = False
            self._exporters_words = _QUERY.sub("?…", f"{type(error).__name__}: {error}")
        if taken:
            self.exported += len(spans)
        else:
            self.lost["refused"] += len(spans)
        if self._failing == taken:  # said once, not with every request
            self._failing = not taken
            if taken:
                logger.info("the collector takes traces again; %d spans were lost meanwhile", sum(self.lost.values()))
            else:
                logger.warning(
                    "traces can't be sent: %s. Look at OTEL_EXPORTER_OTLP_ENDPOINT and the collector; "
                    "results are published as ever",
                    self._exporters_words or "the collector doesn't answer",
                )

    def _keep_to_ourselves(self, record: logging.LogRecord) -> bool:
        """The exporter tells the log of every attempt that fails: the first is kept, to be said once."""
        if self._thread is None or record.thread != self._thread.ident:
            return True
        if not self._exporters_words:
            self._exporters_words = _QUERY.sub("?…", record.getMessage()).rstrip(".")
        return False


def readable(span: Span, resource: Resource) -> ReadableSpan:
    """The span as OpenTelemetry's exporters want it."""
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
