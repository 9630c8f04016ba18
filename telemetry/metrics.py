"""Prometheus metrics of one engine.

A `PrometheusObserver` has its own registry, so that several engines in one process stay separate, and lives as long as
its engine. Calls for unknown cameras are ignored, so that a late call from a camera's thread cannot restore the series
of a removed camera.

Counts of frames are not reported by calls: they are read from the engine (`derive`) when the page is requested.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, cast

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from telemetry import tally
from telemetry.catalogue import CAMERA_STATES, CLOCKS, METRICS, REPLAY_STATUSES, MetricSpec
from telemetry.exposition import write_page
from telemetry.observer import Observer
from telemetry.reasons import EpochReason

Series = tuple[tuple[str, ...], "float | tally.Histogram"]
"""Series of a derived metric: its label values in the order of the catalogue, and its current value."""
Read = Callable[[], Iterable[Series]]

OPENMETRICS_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

PAUSE_S = 20e-6
"""Sleep of the rendering thread between two metrics, which releases the GIL. A busy Python thread otherwise holds it
for 5 ms: for a page of 64 cameras (26 ms), the median delay of another thread was 1.7 ms with the sleep and 5.2 ms
without it."""


class _Page(Collector):
    """A registry without the `_created` series, which would double the page.

    prometheus-client can only disable them for the whole process, which would affect metrics of an embedding program.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
            time.sleep(PAUSE_S)


class _Derived(Collector):
    """A metric whose series are read when the page is requested."""

    def __init__(self, spec: MetricSpec) -> None:
        self.read: Read = tuple
        self._spec = spec
        self._bounds = [floatToGoString(bound) for bound in (*spec.buckets, float("inf"))]

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        for labels, value in self.read():
            if isinstance(family, HistogramMetricFamily):
                assert isinstance(value, tally.Histogram)
                counts = (float(count) for _, count in value.cumulative())
                buckets = list(zip(self._bounds, counts, strict=True))
                family.add_metric(labels, buckets, value.sum)
            else:
                assert isinstance(value, int | float)
                family.add_metric(labels, value)
        return [family]

    def _family(self) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
        spec = self._spec
        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
        return kinds[spec.kind](spec.full_name, spec.help, labels=spec.labels)


class _Coded:
    """Children of a metric by the value of the last label. Lookup takes no lock."""

    __slots__ = ("_children", "_leading", "_metric")

    def __init__(self, metric: Counter | Gauge | Histogram, *leading: str, known: Iterable[str] = ()) -> None:
        self._metric = metric
        self._leading = leading
        self._children = {code: metric.labels(*leading, code) for code in known}

    def get(self, code: str) -> Counter | Gauge | Histogram:
        """Return the child for a code."""
        child = self._children.get(code)
        if child is None:
            child = self._children[code] = self._metric.labels(*self._leading, code)
        return child


class _CameraSeries(NamedTuple):
    """Series of a camera, created once to avoid label lookups per call."""

    state: dict[str, Gauge]
    clock: dict[str, Gauge]
    discarded: _Coded
    reconnects: _Coded
    fallbacks: _Coded
    epochs: _Coded
    people: Counter
    tracks: Gauge


class PrometheusObserver(Observer):
    """Keeps the engine's metrics and renders them. All methods may be called from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._page = _Page(self.registry)
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}
        self._derived: dict[str, _Derived] = {}
        for spec in METRICS:
            self._register(spec)
        self._cameras: dict[str, _CameraSeries] = {}
        self._lock = threading.Lock()

        self._stage_seconds = _Coded(self._histogram("stage_seconds"))
        self._stage_errors = _Coded(self._counter("stage_errors_total"))
        self._too_large = _Coded(self._counter("out_of_memory_total"))
        self._slots = _Coded(self._gauge("state_bank_slots"), known=("used", "free"))
        self._memory = _Coded(self._gauge("device_memory_bytes"))
        self._replays = _Coded(self._counter("replay_requests_total"), known=REPLAY_STATUSES)

    def _register(self, spec: MetricSpec) -> None:
        description = (spec.full_name, spec.help, spec.labels)
        if spec.derived:
            self._derived[spec.name] = _Derived(spec)
            self.registry.register(self._derived[spec.name])
        elif spec.kind == "histogram":
            self._metrics[spec.name] = Histogram(*description, buckets=spec.buckets, registry=self.registry)
        else:
            made = Counter if spec.kind == "counter" else Gauge
            self._metrics[spec.name] = made(*description, registry=self.registry)

    def derive(self, name: str, read: Read) -> None:
        """Take the series of a metric from `read()`, which the rendering thread calls.

        Raises KeyError if the catalogue has no derived metric of that name.
        """
        self._derived[name].read = read

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
                discarded=_Coded(self._counter("units_discarded_total"), camera),
                reconnects=_Coded(self._counter("reconnects_total"), camera),
                fallbacks=_Coded(self._counter("transport_fallbacks_total"), camera),
                epochs=_Coded(self._counter("epochs_total"), camera, known=EpochReason),
                people=self._counter("people_total").labels(camera),
                tracks=self._gauge("tracks_active").labels(camera),
            )

    def camera_removed(self, camera: str) -> None:
        with self._lock:
            if self._cameras.pop(camera, None) is None:
                return
            for spec in METRICS:
                if spec.labels[:1] == ("camera",) and not spec.derived:
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

    def epoch_began(self, camera: str, reason: str) -> None:
        series = self._cameras.get(camera)
        if series is not None:
            cast(Counter, series.epochs.get(reason)).inc()

    # -- batches and stages -------------------------------------------------------------------------------------
    def stage_done(self, stage: str, seconds: float) -> None:
        cast(Histogram, self._stage_seconds.get(stage)).observe(seconds)
        self._stage_errors.get(stage)  # starts at 0, so that Prometheus sees the first error as an increase

    def stage_failed(self, stage: str) -> None:
        cast(Counter, self._stage_errors.get(stage)).inc()

    def out_of_memory(self, stage: str) -> None:
        cast(Counter, self._too_large.get(stage)).inc()

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
    def replay_requested(self, status: str, messages: int) -> None:
        cast(Counter, self._replays.get(status)).inc()
        self._counter("replayed_messages_total").inc(messages)

    # -- the page -----------------------------------------------------------------------------------------------
    def render(self) -> bytes:
        """Return the page in Prometheus' text format 0.0.4, UTF-8."""
        return self.exposition()[0]

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return the page and its content type: OpenMetrics 1.0.0 if the `Accept` header names it, else text 0.0.4.

        The header is not parsed further, because the parser of prometheus-client fails on malformed versions.
        """
        if "application/openmetrics-text" in accept:
            return write_page(self._page.collect(), openmetrics=True), OPENMETRICS_CONTENT_TYPE
        return write_page(self._page.collect(), openmetrics=False), CONTENT_TYPE_PLAIN_0_0_4
