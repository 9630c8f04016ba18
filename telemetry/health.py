"""Whether the engine is alive and ready, and why not: pure bookkeeping over times that the caller passes in.

A `Health` lives as long as its engine. It has no clock and no thread; `HealthObserver` is the thin shell that feeds it
from the engine's observer calls. Times are monotonic seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from telemetry.observer import Observer

Component = Literal["weights", "device", "pipeline", "stages"]
COMPONENTS: tuple[Component, ...] = ("weights", "device", "pipeline", "stages")

LET_GO = ("rate_limited", "epoch_ended", "shutdown")
"""Reasons for which a frame is dropped on purpose: nobody waits for it, so it can't show that the pipeline stands."""


@dataclass(frozen=True, slots=True)
class ComponentState:
    """One component: whether it is well, why not (empty if it is), and since when (monotonic seconds)."""

    ok: bool
    reason: str
    since: float


class Health:
    """The state of the engine's components. Every method may be called from any thread.

    Not ready until the weights are loaded and the device is usable. Later it becomes unready while frames arrive but
    none has been processed for `stall_after_s`, and after `errors_in_a_row` stage errors without a success between.
    No frames at all, because no camera gives any, is not unready: the engine could work.
    """

    def __init__(self, now: float, *, stall_after_s: float = 10.0, errors_in_a_row: int = 5) -> None:
        if stall_after_s <= 0 or errors_in_a_row < 1:
            raise ValueError("stall_after_s must be above 0 and errors_in_a_row at least 1")
        self._stall_after_s = stall_after_s
        self._errors_in_a_row = errors_in_a_row
        self._lock = threading.Lock()
        self._states: dict[Component, ComponentState] = {
            "weights": ComponentState(False, "the model's weights are not loaded yet", now),
            "device": ComponentState(False, "the inference device has not been tried yet", now),
            "pipeline": ComponentState(True, "", now),
            "stages": ComponentState(True, "", now),
        }
        self._unprocessed = 0
        self._waiting_since = now
        self._errors = 0
        self._dead: str | None = None
        self._stopping = False

    # -- what happens -------------------------------------------------------------------------------------------
    def weights(self, ok: bool, reason: str, now: float) -> None:
        """The weights are loaded, or can't be for `reason`."""
        with self._lock:
            self._set("weights", ok, reason, now)

    def device(self, ok: bool, reason: str, now: float) -> None:
        """The inference device works (it ran the warm-up), or it doesn't for `reason`."""
        with self._lock:
            self._set("device", ok, reason, now)

    def frame_arrived(self, now: float) -> None:
        """A camera gave a frame."""
        with self._lock:
            if self._unprocessed == 0:
                self._waiting_since = now
            self._unprocessed += 1

    def frames_let_go(self, count: int) -> None:
        """Frames were dropped on purpose (see `LET_GO`): they don't wait for the pipeline."""
        with self._lock:
            self._unprocessed = max(0, self._unprocessed - count)

    def frame_processed(self, now: float) -> None:
        """The pipeline finished a frame: it steps, and a run of errors is over."""
        with self._lock:
            self._unprocessed = 0
            self._errors = 0
            self._set("pipeline", True, "", now)
            self._set("stages", True, "", now)

    def stage_failed(self, stage: str, now: float) -> None:
        """A stage's exception lost a batch."""
        with self._lock:
            self._errors += 1
            if self._errors >= self._errors_in_a_row:
                reason = f"{self._errors} batches in a row failed, the last one in stage {stage}; the log has the error"
                self._set("stages", False, reason, now)

    def stopping(self) -> None:
        """The engine drains and stops: alive, and no longer ready."""
        self._stopping = True

    def died(self, reason: str) -> None:
        """The engine can't go on (its inference thread ended, for instance); only a restart helps."""
        self._dead = self._dead or reason

    # -- what is asked ------------------------------------------------------------------------------------------
    def alive(self) -> tuple[bool, list[str]]:
        """Whether the process is worth keeping, and why not."""
        return self._dead is None, [] if self._dead is None else [self._dead]

    def ready(self, now: float) -> tuple[bool, list[str]]:
        """Whether results can be expected, and every reason why not, the most basic first."""
        reasons = [f"{name}: {state.reason}" for name, state in self.components(now).items() if not state.ok]
        if self._dead is not None:
            reasons.insert(0, f"engine: {self._dead}")
        elif self._stopping:
            reasons.insert(0, "engine: stopping")
        return not reasons, reasons

    def components(self, now: float) -> dict[Component, ComponentState]:
        """Every component's state at `now`."""
        with self._lock:
            waited = now - self._waiting_since if self._unprocessed else 0.0
            if waited >= self._stall_after_s:
                since = self._waiting_since + self._stall_after_s
                reason = f"frames arrive, but none was processed for {waited:.0f} s ({self._unprocessed} since then)"
                before = self._states["pipeline"]
                self._states["pipeline"] = ComponentState(False, reason, since if before.ok else before.since)
            else:
                self._set("pipeline", True, "", now)
            return {name: self._states[name] for name in COMPONENTS}

    def _set(self, component: Component, ok: bool, reason: str, now: float) -> None:
        before = self._states[component]
        if ok and before.ok:
            return
        since = before.since if before.ok == ok else now
        self._states[component] = ComponentState(ok, "" if ok else reason, since)


class HealthObserver(Observer):
    """Feeds a `Health` from the engine's own calls: frames, drops, failures, results and the loaded model."""

    def __init__(self, health: Health, clock: Callable[[], float] = time.monotonic) -> None:
        self.health = health
        self._clock = clock

    def frame_decoded(self, camera: str) -> None:
        self.health.frame_arrived(self._clock())

    def frame_dropped(self, camera: str, reason: str, count: int = 1) -> None:
        if reason in LET_GO:
            self.health.frames_let_go(count)

    def stage_failed(self, stage: str) -> None:
        self.health.stage_failed(stage, self._clock())

    def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None:
        self.health.frame_processed(self._clock())

    def model_loaded(self, profile: str, weights: str) -> None:
        self.health.weights(True, "", self._clock())
