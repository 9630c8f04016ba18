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
from typing import cast

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from telemetry import tally
from telemetry.catalogue import CAMERA_STATES, CLOCKS, METRICS, REPLAY_STATUSES, MetricSpec
from telemetry.exposition import page_for
from telemetry.observer import Observer
from telemetry.reasons import EpochReason

Series = tuple[tuple[str, ...], "float | tally.Histogram"]
"""Series of a derived metric: its label values in the order of the catalogue, and its current value."""
Read = Callable[[], Iterable[Series]]


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
        self._cameras: set[str] = set()
        self._lock = threading.Lock()
        for status in REPLAY_STATUSES:
            self._counter("replay_requests_total").labels(status)
        self.state_bank(0, 0)

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
            self._cameras.add(camera)
            for name, values in (("camera_state", CAMERA_STATES), ("clock_source", CLOCKS)):
                for value in values:
                    self._gauge(name).labels(camera, value)
            for reason in EpochReason:
                self._counter("epochs_total").labels(camera, reason)
            self._counter("people_total").labels(camera)
            self._gauge("tracks_active").labels(camera)

    def camera_removed(self, camera: str) -> None:
        with self._lock:
            if camera not in self._cameras:
                return
            self._cameras.remove(camera)
            for spec in METRICS:
                if spec.labels[:1] == ("camera",) and not spec.derived:
                    self._metrics[spec.name].remove_by_labels({"camera": camera})

    def _count(self, name: str, camera: str, *labels: str, by: int = 1) -> None:
        with self._lock:
            if camera in self._cameras:
                self._counter(name).labels(camera, *labels).inc(by)

    def _select(self, name: str, camera: str, values: Iterable[str], selected: str) -> None:
        with self._lock:
            if camera in self._cameras:
                for value in values:
                    self._gauge(name).labels(camera, value).set(value == selected)

    def camera_state(self, camera: str, state: str) -> None:
        self._select("camera_state", camera, CAMERA_STATES, state)

    def clock_source(self, camera: str, clock: str) -> None:
        self._select("clock_source", camera, CLOCKS, clock)

    def unit_discarded(self, camera: str, reason: str) -> None:
        self._count("units_discarded_total", camera, reason)

    def reconnecting(self, camera: str, reason: str) -> None:
        self._count("reconnects_total", camera, reason)

    def transport_fallback(self, camera: str, reason: str) -> None:
        self._count("transport_fallbacks_total", camera, reason)

    def epoch_began(self, camera: str, reason: str) -> None:
        self._count("epochs_total", camera, reason)

    def people_seen(self, camera: str, people: int, tracks: int) -> None:
        self._count("people_total", camera, by=people)
        with self._lock:
            if camera in self._cameras:
                self._gauge("tracks_active").labels(camera).set(tracks)

    # -- batches and stages -------------------------------------------------------------------------------------
    def stage_done(self, stage: str, seconds: float) -> None:
        self._histogram("stage_seconds").labels(stage).observe(seconds)
        self._counter("stage_errors_total").labels(stage)  # from 0, so that Prometheus sees the first error

    def stage_failed(self, stage: str) -> None:
        self._counter("stage_errors_total").labels(stage).inc()

    def out_of_memory(self, stage: str) -> None:
        self._counter("out_of_memory_total").labels(stage).inc()

    def state_bank(self, used: int, capacity: int) -> None:
        self._gauge("state_bank_slots").labels("used").set(used)
        self._gauge("state_bank_slots").labels("free").set(capacity - used)

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
        self._gauge("device_memory_bytes").labels(kind).set(size)

    # -- out ----------------------------------------------------------------------------------------------------
    def replay_requested(self, status: str, messages: int) -> None:
        self._counter("replay_requests_total").labels(status).inc()
        self._counter("replayed_messages_total").inc(messages)

    # -- the page -----------------------------------------------------------------------------------------------
    def render(self) -> bytes:
        """Return the page in Prometheus' text format 0.0.4, UTF-8."""
        return self.exposition()[0]

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return the page and its content type: OpenMetrics 1.0.0 if the `Accept` header names it, else text 0.0.4.

        The header is not parsed further, because the parser of prometheus-client fails on malformed versions.
        """
        return page_for(accept, self._page.collect())
