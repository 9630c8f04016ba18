"""Prometheus metrics of one engine: an observer that keeps the series, and their rendering as a page.

A `PrometheusObserver` owns a registry of its own, so that two engines in one process never mix, and lives as long as
its engine. Label values are bounded: camera ids must have been added, and each set of codes (drop reasons, stages …)
is capped. A call for a camera that isn't there, or no longer, is ignored: late calls from a camera's thread must not
bring back the series of a camera that was removed.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from telemetry.observer import Observer

PREFIX = "partstream_"

OPENMETRICS_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

SECONDS_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a quarter of a millisecond (a small stage) to ten seconds (a source that came back)."""

BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Frames a batch, up to the largest `batch.max_frames`."""

CAMERA_STATES = ("connecting", "live", "stalled", "reconnecting", "ended")
"""The states of `camera_state`. `removed` is none of them: a camera that is removed takes its series with it."""

CLOCKS = ("rtcp", "arrival", "media")
DROP_REASONS = ("overwritten", "all_leased", "stale", "rate_limited", "epoch_ended", "stage_error", "shutdown")
TOPIC_KINDS = ("results", "events", "status")
REPLAY_STATUSES = ("ok", "too_old", "unknown_run", "bad_request")

BREATHER_S = 20e-6
"""How long the rendering thread sleeps between two metrics. A page for 64 cameras takes 26 ms, and a busy Python thread
gives way only every 5 ms: with this, another thread's median delay during it was 1.7 instead of 5.2 ms."""

MAX_CODES = 64
"""Different values of one label (a reason, a stage …) besides the camera; what comes after counts as `other`."""

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric as it is exported: `name` without the prefix, with `_total` for counters."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """The name on the page; a histogram's series add `_bucket`, `_sum` and `_count`."""
        return PREFIX + self.name


METRICS: tuple[MetricSpec, ...] = (
    # -- cameras
    MetricSpec(
        "camera_state", "gauge", "1 for the state that the camera is in, 0 for the others.", ("camera", "state")
    ),
    MetricSpec("clock_source", "gauge", "1 for the clock that capture times come from, else 0.", ("camera", "clock")),
    MetricSpec("frames_decoded_total", "counter", "Frames that the camera's decoder gave.", ("camera",)),
    MetricSpec(
        "frames_processed_total",
        "counter",
        "Frames whose result was handed to ZeroMQ, also with nobody in it.",
        ("camera",),
    ),
    MetricSpec(
        "frames_dropped_total", "counter", "Decoded frames that were not processed, by reason.", ("camera", "reason")
    ),
    MetricSpec(
        "units_discarded_total", "counter", "Access units that could not be decoded, by reason.", ("camera", "reason")
    ),
    MetricSpec(
        "reconnects_total", "counter", "Connections begun anew, by the reason of the loss.", ("camera", "reason")
    ),
    MetricSpec(
        "transport_fallbacks_total", "counter", "Changes to another transport, by reason.", ("camera", "reason")
    ),
    MetricSpec("ring_ready_frames", "gauge", "Decoded frames that wait for inference.", ("camera",)),
    # -- batches and stages
    MetricSpec("batch_frames", "histogram", "Frames in a batch.", (), BATCH_BUCKETS),
    MetricSpec(
        "batch_wait_seconds", "histogram", "How long a batch's first frame waited for company.", (), SECONDS_BUCKETS
    ),
    MetricSpec("stage_seconds", "histogram", "Time that a stage took for a batch.", ("stage",), SECONDS_BUCKETS),
    MetricSpec("stage_errors_total", "counter", "Batches lost to an error in a stage.", ("stage",)),
    MetricSpec("people_total", "counter", "People published, counted once a frame.", ("camera",)),
    MetricSpec("tracks_active", "gauge", "People being tracked.", ("camera",)),
    MetricSpec("state_bank_slots", "gauge", "Slots for the state of tracked people: used and free.", ("state",)),
    MetricSpec("state_evictions_total", "counter", "States given up for others because the bank was full."),
    MetricSpec("model_info", "gauge", "1 for the model that answers.", ("profile", "weights")),
    MetricSpec("ready", "gauge", "1 while /readyz answers 200, else 0."),
    MetricSpec("device_memory_bytes", "gauge", "Memory of the inference device, by kind.", ("kind",)),
    # -- out
    MetricSpec(
        "frame_age_seconds",
        "histogram",
        "From a frame's arrival until its result was handed to ZeroMQ.",
        ("camera",),
        SECONDS_BUCKETS,
    ),
    MetricSpec(
        "capture_to_publish_seconds",
        "histogram",
        "From a frame's capture, where the camera tells its time, until its result was handed to ZeroMQ.",
        ("camera",),
        SECONDS_BUCKETS,
    ),
    MetricSpec("results_published_total", "counter", "Messages handed to ZeroMQ.", ("camera", "topic_kind")),
    MetricSpec("subscriptions", "gauge", "Subscriptions in force, over all subscribers."),
    MetricSpec("replay_requests_total", "counter", "Requests for missed messages, by how they ended.", ("status",)),
    MetricSpec("replayed_messages_total", "counter", "Messages sent again on request."),
    MetricSpec("history_evicted_total", "counter", "Messages that left the history to make room."),
)
"""Every metric of the engine, in the order of the page; docs/metrics.md is made from this table."""


def names() -> list[str]:
    """The full names of all metrics of the engine, in the order of the page."""
    return [spec.full_name for spec in METRICS]


class _Page(Collector):
    """A registry seen without the `_created` series, which double the page and which nothing here reads.

    prometheus-client can only switch them off for the whole process, and so for its host's other metrics too.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
            time.sleep(BREATHER_S)


class _Coded:
    """The children of one metric by the value of its last label, looked up without a lock and capped."""

    __slots__ = ("_children", "_leading", "_metric", "_metric_lock")

    def __init__(self, metric: Counter | Gauge | Histogram, *leading: str, known: Iterable[str] = ()) -> None:
        self._metric = metric
        self._leading = leading
        self._metric_lock = threading.Lock()
        self._children = {code: metric.labels(*leading, code) for code in known}

    def get(self, code: str) -> Counter | Gauge | Histogram:
        """The child for this code; a code that is malformed or one too many goes to `other`."""
        child = self._children.get(code)
        return child if child is not None else self._new(code)

    def _new(self, code: str) -> Counter | Gauge | Histogram:
        with self._metric_lock:
            if not _CODE.fullmatch(code) or len(self._children) >= MAX_CODES:
                code = "other"
            if code not in self._children:
                self._children[code] = self._metric.labels(*self._leading, code)
            return self._children[code]


class _CameraSeries(NamedTuple):
    """One camera's series, made once, so that a call for a frame costs no look-up of labels."""

    state: dict[str, Gauge]
    clock: dict[str, Gauge]
    decoded: Counter
    processed: Counter
    dropped: _Coded
    discarded: _Coded
    reconnects: _Coded
    fallbacks: _Coded
    ring_ready: Gauge
    people: Counter
    tracks: Gauge
    age: Histogram
    capture_age: Histogram
    published: _Coded


class PrometheusObserver(Observer):
    """Keeps the engine's metrics and renders them. Every method may be called from any thread.

    A frame costs about 10 µs on a busy core, all its calls together (tests/unit/test_metrics.py prints it).
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._page = _Page(self.registry)
        self._metrics: dict[str, Counter | Gauge | Histogram] = {spec.name: self._register(spec) for spec in METRICS}
        self._cameras: dict[str, _CameraSeries] = {}
        self._lock = threading.Lock()

        self._batch_frames = self._histogram("batch_frames")
        self._batch_wait = self._histogram("batch_wait_seconds")
        self._stage_seconds = _Coded(self._histogram("stage_seconds"))
        self._stage_errors = _Coded(self._counter("stage_errors_total"))
        self._slots = _Coded(self._gauge("state_bank_slots"), known=("used", "free"))
        self._memory = _Coded(self._gauge("device_memory_bytes"))
        self._replays = _Coded(self._counter("replay_requests_total"), known=REPLAY_STATUSES)
        self._engine_published = _Coded(self._counter("results_published_total"), "")

    def _register(self, spec: MetricSpec) -> Counter | Gauge | Histogram:
        if spec.kind == "histogram":
            return Histogram(spec.full_name, spec.help, spec.labels, buckets=spec.buckets, registry=self.registry)
        made = Counter if spec.kind == "counter" else Gauge
        return made(spec.full_name, spec.help, spec.labels, registry=self.registry)

    def _counter(self, name: str) -> Counter:
        return cast(Counter, self._metrics[name])

    def _gauge(self, name: str) -> Gauge:
        return cast(Gauge, self._metrics[name])

    def _histogram(self, name: str) -> Histogram:
        return cast(Histogram, self._metrics[name])

    # -- cameras ------------------------------------------------------------------------------------------------
    def camera_added(self, camera: str) -> None:
        with self._lock:
            if camera in self._cameras:
                return
            state, clock = self._gauge("camera_state"), self._gauge("clock_source")
            self._cameras[camera] = _CameraSeries(
                state={name: state.labels(camera, name) for name in CAMERA_STATES},
                clock={name: clock.labels(camera, name) for name in CLOCKS},
                decoded=self._counter("frames_decoded_total").labels(camera),
                processed=self._counter("frames_processed_total").labels(camera),
                dropped=_Coded(self._counter("frames_dropped_total"), camera, known=DROP_REASONS),
                discarded=_Coded(self._counter("units_discarded_total"), camera),
                reconnects=_Coded(self._counter("reconnects_total"), camera),
                fallbacks=_Coded(self._counter("transport_fallbacks_total"), camera),
                ring_ready=self._gauge("ring_ready_frames").labels(camera),
                people=self._counter("people_total").labels(camera),
                tracks=self._gauge("tracks_active").labels(camera),
                age=self._histogram("frame_age_seconds").labels(camera),
                capture_age=self._histogram("capture_to_publish_seconds").labels(camera),
                published=_Coded(self._counter("results_published_total"), camera, known=TOPIC_KINDS),
            )

    def camera_removed(self, camera: str) -> None:
        with self._lock:
            if self._cameras.pop(camera, None) is None:
                return
            for spec in METRICS:
                if spec.labels[:1] == ("camera",):
                    self._metrics[spec.name].remove_by_labels({"camera": camera})

    def camera_state(self, camera: str, state: str) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            with self._lock:
                for name, gauge in series.state.items():
                    gauge.set(1 if name == state else 0)

    def clock_source(self, camera: str, clock: str) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            with self._lock:
                for name, gauge in series.clock.items():
                    gauge.set(1 if name == clock else 0)

    def frame_decoded(self, camera: str) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            series.decoded.inc()

    def frame_dropped(self, camera: str, reason: str, count: int = 1) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            cast(Counter, series.dropped.get(reason)).inc(count)

    def unit_discarded(self, camera: str, reason: str) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            cast(Counter, series.discarded.get(reason)).inc()

    def reconnecting(self, camera: str, reason: str) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            cast(Counter, series.reconnects.get(reason)).inc()

    def transport_fallback(self, camera: str, reason: str) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            cast(Counter, series.fallbacks.get(reason)).inc()

    def ring_ready(self, camera: str, frames: int) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            series.ring_ready.set(frames)

    # -- batches and stages -------------------------------------------------------------------------------------
    def batch_formed(self, frames: int, wait_seconds: float) -> None:
        self._batch_frames.observe(frames)
        self._batch_wait.observe(wait_seconds)

    def stage_done(self, stage: str, seconds: float) -> None:
        cast(Histogram, self._stage_seconds.get(stage)).observe(seconds)

    def stage_failed(self, stage: str) -> None:
        cast(Counter, self._stage_errors.get(stage)).inc()

    def people_seen(self, camera: str, people: int, tracks: int) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            series.people.inc(people)
            series.tracks.set(tracks)

    def state_bank(self, used: int, capacity: int) -> None:
        cast(Gauge, self._slots.get("used")).set(used)
        cast(Gauge, self._slots.get("free")).set(capacity - used)

    def state_evicted(self, count: int = 1) -> None:
        self._counter("state_evictions_total").inc(count)

    def model_loaded(self, profile: str, weights: str) -> None:
        with self._lock:
            info = self._gauge("model_info")
            info.clear()
            info.labels(profile, weights).set(1)

    def ready_changed(self, ready: bool) -> None:
        self._gauge("ready").set(1 if ready else 0)

    def device_memory(self, kind: str, size: int) -> None:
        cast(Gauge, self._memory.get(kind)).set(size)

    # -- out ----------------------------------------------------------------------------------------------------
    def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            series.processed.inc()
            series.age.observe(age_seconds)
            if capture_age_seconds is not None:
                series.capture_age.observe(capture_age_seconds)

    def message_published(self, camera: str, topic_kind: str) -> None:
        """One message more; `camera` is empty for the engine's own topic (`stats`)."""
        series = self._cameras.get(camera)
        if series is not None:
            cast(Counter, series.published.get(topic_kind)).inc()
        elif not camera:
            cast(Counter, self._engine_published.get(topic_kind)).inc()

    def subscriptions(self, count: int) -> None:
        self._gauge("subscriptions").set(count)

    def replay_requested(self, status: str, messages: int) -> None:
        cast(Counter, self._replays.get(status)).inc()
        self._counter("replayed_messages_total").inc(messages)

    def history_evicted(self, count: int = 1) -> None:
        self._counter("history_evicted_total").inc(count)

    # -- the page -----------------------------------------------------------------------------------------------
    def render(self) -> bytes:
        """The page in Prometheus' text format, version 0.0.4, UTF-8."""
        return self.exposition()[0]

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """The page and its content type: OpenMetrics 1.0.0 if the `Accept` header names it, else plain text 0.0.4.

        The rest of the header isn't parsed: prometheus-client's own parser fails on odd versions, and no reader that
        exists refuses both formats.
        """
        registry = cast(CollectorRegistry, self._page)
        if "application/openmetrics-text" in accept:
            return openmetrics.generate_latest(registry, version="1.0.0"), OPENMETRICS_CONTENT_TYPE
        return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4
