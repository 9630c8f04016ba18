"""Liveness and readiness of the engine, with the reasons if it is not ready.

A `Health` lives as long as its engine. It has no clock and no thread: callers report rare events and, regularly, the
frame counts, each with the current monotonic time in seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from telemetry.reasons import DropReason

Component = Literal["weights", "device", "pipeline", "stages"]
COMPONENTS: tuple[Component, ...] = ("weights", "device", "pipeline", "stages")

INTENTIONAL_DROPS = frozenset({DropReason.RATE_LIMITED, DropReason.EPOCH_ENDED, DropReason.SHUTDOWN})
"""Reasons for intentional drops. No result is expected for these frames, so they do not indicate a stalled pipeline."""
OVERLOAD_DROPS = frozenset(DropReason) - INTENTIONAL_DROPS - {DropReason.STAGE_ERROR}
"""Reasons for drops because the model was too slow."""


Drops = Mapping[DropReason, int] | Mapping[str, int]
"""Numbers of dropped frames, by reason."""


def wanted_frames(decoded: int, dropped: Drops) -> int:
    """Return the number of decoded frames without those dropped intentionally."""
    return decoded - sum(dropped.get(reason, 0) for reason in INTENTIONAL_DROPS) if dropped else decoded


def missed_frames(dropped: Drops) -> int:
    """Return the number of frames dropped because the model was too slow."""
    return sum(dropped.get(reason, 0) for reason in OVERLOAD_DROPS) if dropped else 0


@dataclass(frozen=True, slots=True)
class ComponentState:
    """State of a component: `reason` is empty if `ok`, `since` is in monotonic seconds."""

    ok: bool
    reason: str
    since: float


class Health:
    """State of the engine's components. All methods may be called from any thread.

    The engine is ready once the weights are loaded and the device is usable. It becomes unready while frames arrive but
    none has been processed for `stall_after_s`, and after `errors_in_a_row` consecutive stage errors. An engine whose
    cameras deliver no frames stays ready.
    """

    def __init__(self, now: float, *, stall_after_s: float = 10.0, errors_in_a_row: int = 5) -> None:
        self._stall_after_s = stall_after_s
        self._errors_in_a_row = errors_in_a_row
        self._lock = threading.Lock()
        self._states: dict[Component, ComponentState] = {
            "weights": ComponentState(False, "the model's weights are not loaded yet", now),
            "device": ComponentState(False, "the inference device has not been tested yet", now),
            "pipeline": ComponentState(True, "", now),
            "stages": ComponentState(True, "", now),
        }
        self._arrived = 0
        """Frames that had arrived when the processed count last changed."""
        self._processed = 0
        self._waiting = 0
        """Frames that have arrived since then."""
        self._waiting_since = now
        self._errors = 0
        self._processed_before_error = 0
        self._dead: str | None = None
        self._stopping = False

    # -- reports from the engine --------------------------------------------------------------------------------
    def weights(self, ok: bool, reason: str, now: float) -> None:
        """Report that the weights are loaded, or why they cannot be."""
        with self._lock:
            self._set("weights", ok, reason, now)

    def device(self, ok: bool, reason: str, now: float) -> None:
        """Report that the inference device has run the warm-up, or why it could not."""
        with self._lock:
            self._set("device", ok, reason, now)

    def observe_counts(self, arrived: int, processed: int, now: float) -> None:
        """Report the frames arrived and processed since the engine started.

        `arrived` excludes intentional drops (`INTENTIONAL_DROPS`). Counts may fall when a camera is removed.
        """
        with self._lock:
            if processed != self._processed:
                self._processed = processed
                self._arrived = arrived
                self._set("pipeline", True, "", now)
                if processed != self._processed_before_error:
                    self._errors = 0
                    self._set("stages", True, "", now)
            self._arrived = min(self._arrived, arrived)
            waiting = arrived - self._arrived
            if self._waiting == 0 or waiting == 0:
                self._waiting_since = now
            self._waiting = waiting

    def stage_failed(self, stage: str, processed: int, now: float) -> None:
        """Report a batch lost to an exception, with the count of frames processed since the engine started."""
        with self._lock:
            if processed != self._processed_before_error:
                self._processed_before_error = processed
                self._errors = 0
                self._set("stages", True, "", now)
            self._errors += 1
            if self._errors >= self._errors_in_a_row:
                reason = f"{self._errors} consecutive batches failed, the last in stage {stage}; see the log"
                self._set("stages", False, reason, now)

    def stopping(self) -> None:
        """Report that the engine is stopping: it stays alive and is no longer ready."""
        self._stopping = True

    def died(self, reason: str) -> None:
        """Report that the engine cannot continue, for example because its inference thread ended."""
        self._dead = self._dead or reason

    # -- queries ------------------------------------------------------------------------------------------------
    def alive(self) -> tuple[bool, list[str]]:
        """Return the liveness of the process and, if it should be restarted, the reason."""
        return self._dead is None, [] if self._dead is None else [self._dead]

    def ready(self, now: float) -> tuple[bool, list[str]]:
        """Return the readiness of the engine and, if it is not ready, all reasons, the most basic first."""
        reasons = [f"{name}: {state.reason}" for name, state in self.components(now).items() if not state.ok]
        if self._dead is not None:
            reasons.insert(0, f"engine: {self._dead}")
        elif self._stopping:
            reasons.insert(0, "engine: stopping")
        return not reasons, reasons

    def components(self, now: float) -> dict[Component, ComponentState]:
        """Return the state of each component at `now`."""
        with self._lock:
            waited = now - self._waiting_since if self._waiting else 0.0
            if waited >= self._stall_after_s:
                since = self._waiting_since + self._stall_after_s
                reason = f"frames arrive, but none was processed for {waited:.0f} s ({self._waiting} waiting)"
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
