"""Stage timer: how long each stage of a batch took, told to the observer; names the stage in which a fault arose.

One timer a batch. On CUDA times come from event pairs, read once the batch's last copy has been waited for, so that
measuring never makes the host wait. When a stage of the device's began is told by how long after the batch's first one
it did: the device is idle until then, so that one begins when it is launched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.autograd.profiler import record_function

from telemetry.observer import Observer

_shown = False


def show_stages(shown: bool) -> None:
    """Whether stages appear by name in what torch's profiler records. Not always: it costs some µs each."""
    global _shown
    _shown = shown


class StageTimer:
    """Times the stages of one batch."""

    def __init__(self, observer: Observer, device: torch.device) -> None:
        self._observer = observer
        self._device = device
        self._pairs: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []
        self._first_launch_ns = 0

    @contextmanager
    def stage(self, name: str, on_host: bool = False) -> Iterator[None]:
        """Around one stage; `on_host`: its work isn't the device's. An exception gets the attribute `stage`."""
        events = self._device.type == "cuda" and not on_host
        if events and not self._pairs:
            self._first_launch_ns = time.monotonic_ns()
        begin = self._mark() if events else None
        started = time.perf_counter()
        try:
            with record_function(name) if _shown else nullcontext():
                yield
        except Exception as error:
            if not hasattr(error, "stage"):
                error.stage = name  # pyright: ignore[reportAttributeAccessIssue]
            raise
        if begin is None:
            self._tell(name, time.perf_counter() - started, time.monotonic_ns())
        else:
            self._pairs.append((name, begin, self._mark()))

    def finish(self) -> None:
        """Tell what the device's stages took. The batch's last copy has been waited for, so the device is done."""
        for name, begin, end in self._pairs:
            end.synchronize()
            since_first_ns = round(self._pairs[0][1].elapsed_time(end) * 1e6)
            self._tell(name, begin.elapsed_time(end) / 1e3, self._first_launch_ns + since_first_ns)
        self._pairs.clear()

    def _tell(self, name: str, seconds: float, ended_ns: int) -> None:
        self._observer.stage_done(name, seconds)
        self._observer.stage_ran(name, ended_ns - round(seconds * 1e9), ended_ns)

    @staticmethod
    def _mark() -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event
