"""Interface through which the engine reports events. All methods do nothing by default.

`telemetry.metrics` turns the calls into Prometheus series. Events that occur for every frame are not reported by calls:
the engine counts them, and the metrics page reads the counts (`telemetry.tally`). `frame_published` exists for
applications that embed the engine. `Guarded` keeps errors of observers away from the engine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)


class Observer:
    """Receives events of the engine. Methods may be called from any thread, must return at once and must not raise."""

    # -- cameras ------------------------------------------------------------------------------------------------
    def camera_added(self, camera: str) -> None: ...
    def camera_removed(self, camera: str) -> None: ...
    def camera_state(self, camera: str, state: str) -> None: ...
    def unit_discarded(self, camera: str, reason: str) -> None: ...
    def reconnecting(self, camera: str, reason: str) -> None: ...
    def clock_source(self, camera: str, clock: str) -> None: ...
    def epoch_began(self, camera: str, reason: str) -> None: ...
    def transport_fallback(self, camera: str, reason: str) -> None: ...

    # -- batches and stages -------------------------------------------------------------------------------------
    def stage_done(self, stage: str, seconds: float) -> None: ...
    def stage_ran(self, stage: str, began_ns: int, ended_ns: int) -> None: ...
    def stage_failed(self, stage: str) -> None: ...
    def out_of_memory(self, stage: str) -> None: ...
    def people_seen(self, camera: str, people: int, tracks: int) -> None: ...
    def state_bank(self, used: int, capacity: int) -> None: ...
    def state_evicted(self, count: int = 1) -> None: ...
    def model_loaded(self, profile: str, weights: str) -> None: ...
    def ready_changed(self, ready: bool) -> None: ...
    def device_memory(self, kind: str, size: int) -> None: ...

    # -- out ----------------------------------------------------------------------------------------------------
    def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None: ...
    def replay_requested(self, status: str, messages: int) -> None: ...


class Guarded(Observer):
    """Forwards each call to several observers. Logs the first exception of each observer and method, and drops it."""

    def __init__(self, *observers: Observer) -> None:
        self._reported: set[tuple[int, str]] = set()
        for name, method in vars(Observer).items():
            if callable(method) and not name.startswith("_"):
                # Skip observers that do not override the method: calling them would only cost time.
                targets = [
                    (index, getattr(observer, name))
                    for index, observer in enumerate(observers)
                    if getattr(type(observer), name) is not method
                ]
                setattr(self, name, self._guard(name, targets))

    def _guard(self, name: str, targets: list[tuple[int, Callable[..., None]]]) -> Callable[..., None]:
        if not targets:
            return _ignore

        def call(*arguments: Any, **keywords: Any) -> None:
            for index, target in targets:
                try:
                    target(*arguments, **keywords)
                except Exception:
                    if (index, name) not in self._reported:
                        self._reported.add((index, name))
                        logger.exception("an observer failed in %s; further failures are not logged", name)

        return call


def _ignore(*arguments: Any, **keywords: Any) -> None:
    return None
