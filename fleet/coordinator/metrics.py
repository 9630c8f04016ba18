"""The coordinator's Prometheus metrics. They are read from its state when the page is requested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.views import PLACEMENTS
from telemetry.catalogue import MetricSpec
from telemetry.exposition import write_page
from telemetry.metrics import OPENMETRICS_CONTENT_TYPE

METRICS: tuple[MetricSpec, ...] = (
    MetricSpec("fleet_ready", "gauge", "1 if the coordinator places cameras, 0 if it waits or cannot write."),
    MetricSpec("fleet_cameras", "gauge", "Cameras, by where they are.", ("state",)),
    MetricSpec("fleet_unplaced_mpx", "gauge", "Megapixels per second of the cameras that no engine has."),
    MetricSpec("fleet_engines", "gauge", "Engines that hold their leases."),
    MetricSpec("fleet_engine_cameras", "gauge", "Cameras that the engine has.", ("engine", "node")),
    MetricSpec("fleet_engine_load_mpx", "gauge", "Megapixels per second of the engine's cameras.", ("engine", "node")),
    MetricSpec(
        "fleet_engine_capacity_mpx", "gauge", "Megapixels per second that the engine can take.", ("engine", "node")
    ),
    MetricSpec("fleet_drains", "gauge", "Nodes and engines that are being drained, or are drained."),
    MetricSpec("fleet_engines_lost_total", "counter", "Engines whose lease or process ended."),
    MetricSpec("fleet_assignments_total", "counter", "Times that a camera was given to an engine."),
    MetricSpec("fleet_renewals_total", "counter", "Renewals of engines, by what became of them.", ("outcome",)),
    MetricSpec("fleet_unwritten", "gauge", "Decisions that wait to be written to the store."),
)

Series = Iterable[tuple[tuple[str, ...], float]]


def read(coordinator: Coordinator) -> list[Metric]:
    """Return the present metrics. Called in the event loop."""
    placement = coordinator.placement
    states = Counter(camera.state for camera in placement.cameras.values())
    engines = [((name, engine.address.node), engine) for name, engine in placement.engines.items()]
    counts = coordinator.renewals.counts
    values: dict[str, Callable[[], Series]] = {
        "fleet_ready": lambda: [((), not coordinator.problems)],
        "fleet_cameras": lambda: [((state,), states[state]) for state in PLACEMENTS],
        "fleet_unplaced_mpx": lambda: [((), placement.unplaced_cost)],
        "fleet_engines": lambda: [((), len(engines))],
        "fleet_engine_cameras": lambda: [(labels, engine.cameras) for labels, engine in engines],
        "fleet_engine_load_mpx": lambda: [(labels, max(engine.load, 0.0)) for labels, engine in engines],
        "fleet_engine_capacity_mpx": lambda: [(labels, engine.report.capacity) for labels, engine in engines],
        "fleet_drains": lambda: [((), len(placement.drains))],
        "fleet_engines_lost_total": lambda: [((), coordinator.engines_lost)],
        "fleet_assignments_total": lambda: [((), coordinator.assigned)],
        "fleet_renewals_total": lambda: [
            (("granted",), counts["taken"] - coordinator.refused),
            (("refused",), coordinator.refused),
            (("invalid",), counts["invalid"]),
            (("limited",), counts["limited"]),
        ],
        "fleet_unwritten": lambda: [((), coordinator.unwritten)],
    }
    return [_family(spec, values[spec.name]()) for spec in METRICS]


def page(families: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """Return the metrics page with those of the process, and its content type."""
    families = [*families, *_PROCESS.collect()]
    if "application/openmetrics-text" in accept:
        return write_page(families, openmetrics=True), OPENMETRICS_CONTENT_TYPE
    return write_page(families, openmetrics=False), CONTENT_TYPE_PLAIN_0_0_4


_PROCESS = ProcessCollector(registry=None)


def _family(spec: MetricSpec, series: Series) -> Metric:
    kind = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
    family = kind(spec.full_name.removesuffix("_total"), spec.help, labels=spec.labels)
    for labels, value in series:
        family.add_metric(labels, float(value))
    return family
