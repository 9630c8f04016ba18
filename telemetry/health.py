"""Whether the engine is alive and ready, and why not: pure bookkeeping over times that the caller passes in.

A `Health` lives as long as its engine. It has no clock and no thread: it is told of what is rare, and shown the counts
of frames now and then. Times are monotonic seconds.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from telemetry.reasons import DropReason

Component = Literal["weights", "device", "pipeline", "stages"]
COMPONENTS: tuple[Component, ...] = ("weights", "device", "pipeline", "stages")

LET_GO = frozenset({DropReason.RATE_LIMITED, DropReason.EPOCH_ENDED, DropReason.SHUTDOWN})
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
        self._arrived = 0
        """Frames that had arrived when one was last seen to be processed."""
        self._processed = 0
        self._waiting = 0
        """Frames that have arrived since."""
        self._waiting_since = now
        self._errors = 0
        self._processed_before_error = 0
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

    def looked(self, arrived: int, processed: int, now: float) -> None:
        """A look at the engine's counts: frames that cameras gave since it started, and those that were processed.

        Frames that were let go (see `LET_GO`) don't count as arrived. A count may fall, when a camera is removed.
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
        """A stage's exception lost a batch, when so many frames had been processed since the engine started."""
        with self._lock:
            if processed != self._processed_before_error:
                self._processed_before_error = processed
                self._errors = 0
                self._set("stages", True, "", now)
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
            waited = now - self._waiting_since if self._waiting else 0.0
            if waited >= self._stall_after_s:
                since = self._waiting_since + self._stall_after_s
                reason = f"frames arrive, but none was processed for {waited:.0f} s ({self._waiting} since then)"
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
