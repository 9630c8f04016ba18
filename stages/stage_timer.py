"""Stage timer: how long each stage of a batch took, told to the observer; names the stage in which a fault arose.

One timer a batch. On CUDA times come from event pairs, read once the batch's last copy has been waited for, so that
measuring never makes the host wait.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from telemetry.observer import Observer


class StageTimer:
    """Times the stages of one batch."""

    def __init__(self, observer: Observer, device: torch.device) -> None:
        self._observer = observer
        self._device = device
        self._pairs: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def stage(self, name: str, on_host: bool = False) -> Iterator[None]:
        """Around one stage; `on_host`: its work isn't the device's. An exception gets the attribute `stage`."""
        events = self._device.type == "cuda" and not on_host
        begin = self._mark() if events else None
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            if not hasattr(error, "stage"):
                error.stage = name  # pyright: ignore[reportAttributeAccessIssue]
            raise
        if begin is None:
            self._observer.stage_done(name, time.perf_counter() - started)
        else:
            self._pairs.append((name, begin, self._mark()))

    def finish(self) -> None:
        """Tell what the device's stages took. The batch's last copy has been waited for, so the device is done."""
        for name, begin, end in self._pairs:
            end.synchronize()
            self._observer.stage_done(name, begin.elapsed_time(end) / 1e3)
        self._pairs.clear()

    @staticmethod
    def _mark() -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event
