"""How long the inference thread waited for a core that other programs had.

A model whose thread hardly ever gets a core takes long, but less work for it would not help: it is not too slow.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from stages.runtimes.machine import available_cpu

OWN_SHARE = 0.5
"""Share of the CPU time available to the engine. Above it, waits are attributed to its own threads or its quota."""
SCHEDULING = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a core, nanoseconds in which it was ready and had none, and a count (Linux)."""


class CoreWaits:
    """Measures the thread that calls it. What the engine may use is read once."""

    def __init__(self) -> None:
        self._available = available_cpu()
        self._before = self._now()

    def since_last_call(self) -> float:
        """Return the seconds in which this thread was ready to run and other programs had the cores.

        It is 0 if this process used much of what it may use, whether limited by cores or by a CPU quota, and where the
        system does not tell.
        """
        before, self._before = self._before, self._now()
        clock_s, cpu_s, waited_s = (now - then for now, then in zip(self._before, before, strict=True))
        return waited_s if cpu_s < OWN_SHARE * clock_s * self._available else 0.0

    @staticmethod
    def _now() -> tuple[float, float, float]:
        try:
            waited_s = int(_contents(SCHEDULING).split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            waited_s = 0.0
        return time.monotonic(), time.process_time(), waited_s


def _contents(path: Path) -> bytes:
    """Read a small file with three system calls; `Path.read_text` makes nine."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 256)
    finally:
        os.close(file)
