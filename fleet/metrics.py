"""The controller's Prometheus metrics. They are read from its state when the page is requested."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector

from fleet.controller import Controller
from fleet.placement import Cause, Code, Engine, EngineState
from fleet.views import ENGINE_STATES, PLACEMENTS, engine_state, placement_of
from telemetry.catalogue import MetricSpec
from telemetry.exposition import Series, family_of

PER_ENGINE = ("engine", "node")
METRICS: tuple[MetricSpec, ...] = (
    MetricSpec("fleet_ready", "gauge", "1 if the controller is ready, 0 if it is starting or cannot write its store."),
    MetricSpec("fleet_cameras", "gauge", "Cameras, by state.", ("state",)),
    MetricSpec("fleet_unplaced_cameras", "gauge", "Cameras that no engine has, by reason.", ("reason",)),
    MetricSpec("fleet_engines", "gauge", "Engines, by state.", ("state",)),
    MetricSpec("fleet_engines_wanted", "gauge", "Engines that the cameras need, with the reserve."),
    MetricSpec("fleet_engine_cameras", "gauge", "Cameras that the engine has.", PER_ENGINE),
    MetricSpec("fleet_engine_max_cameras", "gauge", "Cameras that the engine can take.", PER_ENGINE),
    MetricSpec("fleet_engine_load_mpx", "gauge", "Megapixels per second of the engine's cameras.", PER_ENGINE),
    MetricSpec("fleet_engine_capacity_mpx", "gauge", "Megapixels per second that the engine can take.", PER_ENGINE),
    MetricSpec("fleet_engine_room_mpx", "gauge", "Megapixels per second that further cameras may use.", PER_ENGINE),
    MetricSpec("fleet_engine_heard_seconds", "gauge", "Time since the engine's last answer.", PER_ENGINE),
    MetricSpec("fleet_engines_lost_total", "counter", "Engines that have ended unexpectedly."),
    MetricSpec("fleet_assignments_total", "counter", "Assignments of cameras to engines.", ("reason",)),
    MetricSpec("fleet_curve_refused_total", "counter", "Readers refused because their key is not listed."),
    MetricSpec("fleet_store_writable", "gauge", "1 if the store can be written, 0 if writing fails."),
    MetricSpec("fleet_http_refused_total", "counter", "HTTP requests and connections refused.", ("reason",)),
)
UNPLACED_REASONS = tuple(code for code in get_args(Code) if code)
MOVE_REASONS: tuple[Cause, ...] = get_args(Cause)
_PROCESS = ProcessCollector(registry=None)


def read(controller: Controller, http_refused: Mapping[str, int]) -> list[Metric]:
    """Return the present metrics, with those of the process. `http_refused`: by reason. Called in the event loop."""
    placement, engines, now_s = controller.placement, controller.engines, time.monotonic()
    states = Counter(placement_of(camera) for camera in placement.cameras.values())
    unplaced = Counter(camera.code for camera in placement.cameras.values() if placement_of(camera) == "unplaced")
    by_state = Counter[str](engine_state(controller, engine) for engine in engines.all.values())
    by_state["lost"] = len(engines.ended.keys() - engines.all.keys())

    joined = [(one, one.state) for name, one in placement.engines.items() if one.state and name in engines.all]

    def of_engines(value: Callable[[Engine, EngineState], float]) -> Iterable[Series]:
        return [((one.name, engines.all[one.name].node), value(one, state)) for one, state in joined]

    values: dict[str, Iterable[Series]] = {
        "fleet_ready": _one(not controller.problems),
        "fleet_cameras": _by(PLACEMENTS, states),
        "fleet_unplaced_cameras": _by(UNPLACED_REASONS, unplaced),
        "fleet_engines": _by(ENGINE_STATES, by_state),
        "fleet_engines_wanted": _one(controller.wanted_engines()),
        "fleet_engine_cameras": of_engines(lambda one, _: len(one.cameras)),
        "fleet_engine_max_cameras": of_engines(lambda _, state: state.max_cameras),
        "fleet_engine_load_mpx": of_engines(lambda one, _: max(one.load, 0.0)),
        "fleet_engine_capacity_mpx": of_engines(lambda _, state: state.capacity),
        "fleet_engine_room_mpx": of_engines(lambda one, _: max(one.free, 0.0)),
        "fleet_engine_heard_seconds": of_engines(lambda one, _: now_s - engines.all[one.name].heard_s),
        "fleet_engines_lost_total": _one(engines.lost),
        "fleet_assignments_total": _by(MOVE_REASONS, placement.moves),
        "fleet_curve_refused_total": _one(controller.directory.publisher.refused),
        "fleet_store_writable": _one(not controller.unwritten),
        "fleet_http_refused_total": [((code,), count) for code, count in http_refused.items()],
    }
    return [*(family_of(spec, values[spec.name]) for spec in METRICS), *_PROCESS.collect()]


def _one(value: float) -> Iterable[Series]:
    return [((), value)]


def _by(codes: Iterable[str], counts: Mapping[Any, int]) -> Iterable[Series]:
    return [((code,), counts.get(code, 0)) for code in codes]
