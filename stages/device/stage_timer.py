"""Timer of the stages of a batch. It reports durations to the observer and records the stage in which an error occurs.

There is one timer per batch. On CUDA, times come from pairs of events. They are read after the host has waited for the
batch's last copy, so that measuring adds no waits. Start times on the device are relative to the launch of the batch's
first stage there, before which the device is idle.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.autograd.profiler import record_function

from telemetry.observer import Observer

_stages_shown = False


def show_stages(shown: bool) -> None:
    """Choose whether stages appear by name in torch's profiles, which costs some µs per stage."""
    global _stages_shown
    _stages_shown = shown


class StageTimer:
    """Times the stages of one batch."""

    def __init__(self, observer: Observer, device: torch.device) -> None:
        self._observer = observer
        self._device = device
        self._pairs: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []
        self._first_launch_ns = 0

    @contextmanager
    def stage(self, name: str, on_host: bool = False) -> Iterator[None]:
        """Time one stage; `on_host`: it does not run on the device. An exception gets the attribute `stage`."""
        events = self._device.type == "cuda" and not on_host
        if events and not self._pairs:
            self._first_launch_ns = time.monotonic_ns()
        begin = self._mark() if events else None
        started = time.perf_counter()
        try:
            with record_function(name) if _stages_shown else nullcontext():
                yield
        except Exception as error:
            if not hasattr(error, "stage"):
                error.stage = name  # pyright: ignore[reportAttributeAccessIssue]
            raise
        if begin is None:
            self._report(name, time.perf_counter() - started, time.monotonic_ns())
        else:
            self._pairs.append((name, begin, self._mark()))

    def finish(self) -> None:
        """Report the times of the device's stages. Call after waiting for the batch's last copy."""
        for name, begin, end in self._pairs:
            end.synchronize()
            since_first_ns = round(self._pairs[0][1].elapsed_time(end) * 1e6)
            self._report(name, begin.elapsed_time(end) / 1e3, self._first_launch_ns + since_first_ns)
        self._pairs.clear()

    def _report(self, name: str, seconds: float, ended_ns: int) -> None:
        self._observer.stage_done(name, seconds)
        self._observer.stage_ran(name, ended_ns - round(seconds * 1e9), ended_ns)

    @staticmethod
    def _mark() -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event
