"""Liveness and readiness of the engine, with the reasons if it is not ready.

A `Health` lives as long as its engine. It has no clock and no thread: callers report rare events and, regularly, the
frame counts, each with the current monotonic time in seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from telemetry.reasons import DropReason

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


class Health:
    """State of the engine. All methods may be called from any thread.

    The engine is ready once the weights are loaded and the device is usable. It becomes unready while frames arrive but
    none has been processed for `stall_after_s`, and after `errors_in_a_row` consecutive stage errors. An engine whose
    cameras deliver no frames stays ready.
    """

    def __init__(self, now: float, *, stall_after_s: float = 10.0, errors_in_a_row: int = 5) -> None:
        self.weights_loaded = False
        self.device_tested = False
        """Whether the inference device has run the warm-up."""
        self.stopping = False
        """Whether the engine is stopping: it stays alive and is no longer ready."""
        self._stall_after_s = stall_after_s
        self._errors_in_a_row = errors_in_a_row
        self._lock = threading.Lock()
        self._arrived = 0
        """Frames that had arrived when the processed count last changed."""
        self._processed = 0
        self._waiting = 0
        """Frames that have arrived since then."""
        self._waiting_since = now
        self._errors = 0
        self._failed_stage = ""
        self._processed_before_error = 0
        self._dead: str | None = None

    def observe_counts(self, arrived: int, processed: int, now: float) -> None:
        """Report the frames arrived and processed since the engine started.

        `arrived` excludes intentional drops (`INTENTIONAL_DROPS`). Counts may fall when a camera is removed.
        """
        with self._lock:
            if processed != self._processed:
                self._processed = processed
                self._arrived = arrived
                if processed != self._processed_before_error:
                    self._errors = 0
            self._arrived = min(self._arrived, arrived)
            waiting = arrived - self._arrived
            if self._waiting == 0 or waiting == 0:
                self._waiting_since = now
            self._waiting = waiting

    def stage_failed(self, stage: str, processed: int) -> None:
        """Report a batch lost to an exception, with the count of frames processed since the engine started."""
        with self._lock:
            if processed != self._processed_before_error:
                self._processed_before_error = processed
                self._errors = 0
            self._errors += 1
            self._failed_stage = stage

    def died(self, reason: str) -> None:
        """Report that the engine cannot continue, for example because its inference thread ended."""
        self._dead = self._dead or reason

    def alive(self) -> tuple[bool, list[str]]:
        """Return the liveness of the process and, if it should be restarted, the reason."""
        return self._dead is None, [] if self._dead is None else [self._dead]

    def ready(self, now: float) -> tuple[bool, list[str]]:
        """Return the readiness of the engine and, if it is not ready, all reasons, the most basic first."""
        reasons: list[str] = []
        if self._dead is not None:
            reasons.append(f"engine: {self._dead}")
        elif self.stopping:
            reasons.append("engine: stopping")
        if not self.weights_loaded:
            reasons.append("weights: the model's weights are not loaded yet")
        if not self.device_tested:
            reasons.append("device: the inference device has not been tested yet")
        with self._lock:
            waited = now - self._waiting_since if self._waiting else 0.0
            if waited >= self._stall_after_s:
                waiting = f"({self._waiting} waiting)"
                reasons.append(f"pipeline: frames arrive, but none was processed for {waited:.0f} s {waiting}")
            if self._errors >= self._errors_in_a_row:
                failed = f"the last in stage {self._failed_stage}; see the log"
                reasons.append(f"stages: {self._errors} consecutive batches failed, {failed}")
        return not reasons, reasons
