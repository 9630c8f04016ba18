"""The coordinator's Prometheus metrics. They are read from its state when the page is requested."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.engines import LossCause
from fleet.coordinator.views import PLACEMENTS, engine_state
from fleet.placement.moves import Cause
from fleet.placement.views import EngineView
from telemetry.catalogue import MetricSpec
from telemetry.exposition import write_page
from telemetry.metrics import OPENMETRICS_CONTENT_TYPE

PER_ENGINE = ("engine", "node")
METRICS: tuple[MetricSpec, ...] = (
    MetricSpec("fleet_ready", "gauge", "1 if the coordinator places cameras, 0 if it listens or cannot write."),
    MetricSpec("fleet_settled", "gauge", "1 if the engines had the time to report their cameras, 0 if it listens."),
    MetricSpec("fleet_cameras", "gauge", "Cameras, by where they are.", ("state",)),
    MetricSpec("fleet_unplaced_cameras", "gauge", "Cameras that no engine has, by reason.", ("reason",)),
    MetricSpec("fleet_unplaced_mpx", "gauge", "Megapixels per second of the cameras that no engine has."),
    MetricSpec(
        "fleet_engines",
        "gauge",
        "Engines. `lost` and `stopped`: those of the last 256 that have not returned.",
        ("state",),
    ),
    MetricSpec("fleet_engine_cameras", "gauge", "Cameras that the engine has.", PER_ENGINE),
    MetricSpec("fleet_engine_max_cameras", "gauge", "Cameras that the engine can take.", PER_ENGINE),
    MetricSpec("fleet_engine_load_mpx", "gauge", "Megapixels per second of the engine's cameras.", PER_ENGINE),
    MetricSpec("fleet_engine_capacity_mpx", "gauge", "Megapixels per second that the engine can take.", PER_ENGINE),
    MetricSpec(
        "fleet_engine_room_mpx",
        "gauge",
        "Megapixels per second of further cameras that may be placed there: capacity without `headroom` and load; "
        "0 while it is drained or stopping.",
        PER_ENGINE,
    ),
    MetricSpec("fleet_engine_heard_seconds", "gauge", "Time since the engine's last renewal.", PER_ENGINE),
    MetricSpec("fleet_drains", "gauge", "Nodes and engines that are being drained, or are drained."),
    MetricSpec("fleet_engines_lost_total", "counter", "Engines that were lost, by reason.", ("reason",)),
    MetricSpec("fleet_assignments_total", "counter", "Times that a camera was given to an engine.", ("reason",)),
    MetricSpec(
        "fleet_camera_moves",
        "gauge",
        "Moves in the last 15 minutes, of the 20 cameras that moved most, at least twice.",
        ("camera",),
    ),
    MetricSpec("fleet_renewals_total", "counter", "Renewals of engines, by what became of them.", ("outcome",)),
    MetricSpec(
        "fleet_curve_refused_total", "counter", "Connections refused because the key is not listed.", ("socket",)
    ),
    MetricSpec("fleet_store_writable", "gauge", "1 if the store can be written, 0 if writing fails or hangs."),
    MetricSpec("fleet_store_errors_total", "counter", "Tries to write the store that failed."),
    MetricSpec("fleet_unwritten", "gauge", "Decisions that wait to be written to the store."),
    MetricSpec("fleet_http_refused_total", "counter", "HTTP requests and connections refused.", ("reason",)),
)

ENGINE_STATES = ("leased", "draining", "stopping", "stopped", "lost")
UNPLACED_REASONS = ("no_room", "no_engine", "refused", "pin_absent", "pin_drained", "waiting")
MOVE_REASONS: tuple[Cause, ...] = get_args(Cause)
LOSS_REASONS: tuple[LossCause, ...] = get_args(LossCause)
RENEWAL_OUTCOMES = ("granted", "refused", "invalid", "limited")
SOCKETS = ("bind", "directory")

Series = Iterable[tuple[tuple[str, ...], float]]


def read(coordinator: Coordinator, http_refused: Mapping[str, int]) -> list[Metric]:
    """Return the present metrics. `http_refused`: by reason. Called in the event loop."""
    placement, now_s = coordinator.placement, time.monotonic()
    usable = 1 - coordinator.config.placement.headroom
    states: Counter[str] = Counter()
    unplaced: Counter[str] = Counter()
    for camera in placement.cameras.values():
        states[camera.state] += 1
        if camera.state == "unplaced":
            kind = camera.told.replace(" ", "_")
            unplaced[kind if kind in UNPLACED_REASONS else "waiting"] += 1
    engines = [((name, engine.address.node), engine) for name, engine in placement.engines.items()]
    by_state = Counter[str](engine_state(engine) for _, engine in engines)
    for name, lost in coordinator.engines.lost.items():
        if name not in coordinator.engines.sessions:
            by_state["stopped" if lost.cause == "stopped" else "lost"] += 1
    renewals = {**coordinator.renewals.counts, "refused": coordinator.refused}
    renewals["granted"] = coordinator.renewals.counts["taken"] - coordinator.refused
    refused = {"bind": coordinator.renewals.refused, "directory": coordinator.directory.publisher.refused}

    def of_engines(value: Callable[[EngineView], float]) -> Series:
        return [(labels, value(engine)) for labels, engine in engines]

    def room(engine: EngineView) -> float:
        closed = engine.draining or engine.stopping or not engine.known or engine.cameras >= engine.report.max_cameras
        return 0.0 if closed else max(engine.report.capacity * usable - engine.load, 0.0)

    values: dict[str, Series] = {
        "fleet_ready": _one(not coordinator.problems),
        "fleet_settled": _one(placement.settled),
        "fleet_cameras": _by(PLACEMENTS, states),
        "fleet_unplaced_cameras": _by(UNPLACED_REASONS, unplaced),
        "fleet_unplaced_mpx": _one(placement.unplaced_cost),
        "fleet_engines": _by(ENGINE_STATES, by_state),
        "fleet_engine_cameras": of_engines(lambda engine: engine.cameras),
        "fleet_engine_max_cameras": of_engines(lambda engine: engine.report.max_cameras),
        "fleet_engine_load_mpx": of_engines(lambda engine: max(engine.load, 0.0)),
        "fleet_engine_capacity_mpx": of_engines(lambda engine: engine.report.capacity),
        "fleet_engine_room_mpx": of_engines(room),
        "fleet_engine_heard_seconds": of_engines(lambda engine: max(now_s - engine.heard_s, 0.0)),
        "fleet_drains": _one(len(placement.drains)),
        "fleet_engines_lost_total": _by(LOSS_REASONS, coordinator.engines.losses),
        "fleet_assignments_total": _by(MOVE_REASONS, coordinator.moves.counts),
        "fleet_camera_moves": [((camera,), moves) for camera, moves in coordinator.moves.most(now_s)],
        "fleet_renewals_total": _by(RENEWAL_OUTCOMES, renewals),
        "fleet_curve_refused_total": _by(SOCKETS, refused),
        "fleet_store_writable": _one(not coordinator.outbox.held),
        "fleet_store_errors_total": _one(coordinator.outbox.failures),
        "fleet_unwritten": _one(coordinator.unwritten),
        "fleet_http_refused_total": [((code,), count) for code, count in http_refused.items()],
    }
    return [_family(spec, values[spec.name]) for spec in METRICS]


def page(families: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """Return the metrics page with those of the process, and its content type."""
    families = [*families, *_PROCESS.collect()]
    if "application/openmetrics-text" in accept:
        return write_page(families, openmetrics=True), OPENMETRICS_CONTENT_TYPE
    return write_page(families, openmetrics=False), CONTENT_TYPE_PLAIN_0_0_4


_PROCESS = ProcessCollector(registry=None)


def _one(value: float) -> Series:
    return [((), value)]


def _by(codes: Iterable[str], counts: Mapping[Any, int]) -> Series:
    return [((code,), counts.get(code, 0)) for code in codes]


def _family(spec: MetricSpec, series: Series) -> Metric:
    kind = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
    family = kind(spec.full_name.removesuffix("_total"), spec.help, labels=spec.labels)
    for labels, value in series:
        family.add_metric(labels, float(value))
    return family
