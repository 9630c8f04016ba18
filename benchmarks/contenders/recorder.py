"""What every contender notes of its own run, in the same way: which frame it had when, and the CPU that it used.

Owns the notes of one process; they are written to the file that the spec names and die with the process. Needs numpy
only, since peers run in environments of their own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

GRACE_S = 1.0
"""A frame sent within the measured time may still arrive this much later before it counts as lost."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One run: whom to read, for how long, where to leave the notes."""

    urls: list[str]
    seconds: float
    warm_up_s: float
    out: Path
    start_timeout_s: float = 60.0
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_argv(cls) -> Spec:
        """The spec in the JSON file that the command line names."""
        content = json.loads(Path(sys.argv[1]).read_text())
        return cls(**{**content, "out": Path(content["out"])})

    def write(self, path: Path) -> None:
        """Leave the spec where a contender can read it."""
        fields = ("urls", "seconds", "warm_up_s", "start_timeout_s", "options")
        path.write_text(json.dumps({"out": str(self.out), **{name: getattr(self, name) for name in fields}}))


class NeverStartedError(RuntimeError):
    """A camera gave no frame within the start timeout."""


class Recorder:
    """Collects a process's notes. `frame` may be called from any thread, for one camera from one thread at a time.

    Make it when everything is imported and no camera is asked for yet: the time to open them counts from there.
    """

    def __init__(self, cameras: int) -> None:
        self._frames: list[list[tuple[int, int]]] = [[] for _ in range(cameras)]
        self.extra: dict[str, np.ndarray] = {}
        self._began_ns = time.monotonic_ns()

    def frame(self, camera: int, number: int) -> None:
        """The contender has frame `number` (by its barcode) of the camera in hand now."""
        self._frames[camera].append((number, time.monotonic_ns()))

    def frame_at(self, camera: int, number: int, now_ns: int) -> None:
        """Same, for one whose instant was taken before."""
        self._frames[camera].append((number, now_ns))

    def measure(self, spec: Spec, finish: Callable[[], None] = lambda: None) -> None:
        """Wait for every camera's first frame, warm up, measure for `spec.seconds`, allow the grace; then `finish`
        and write the notes. Blocks; call it from a thread that has nothing else to do.
        """
        give_up = time.monotonic() + spec.start_timeout_s
        while not all(self._frames):
            if time.monotonic() > give_up:
                silent = [camera for camera, frames in enumerate(self._frames) if not frames]
                raise NeverStartedError(f"no frame from camera {silent} within {spec.start_timeout_s:.0f} s")
            time.sleep(0.05)
        time.sleep(spec.warm_up_s)
        begin_ns, begin_cpu = time.monotonic_ns(), cpu_seconds()
        time.sleep(spec.seconds)
        end_ns, end_cpu = time.monotonic_ns(), cpu_seconds()
        time.sleep(GRACE_S)
        finish()
        notes: dict[str, Any] = {
            "window_ns": np.array([begin_ns, end_ns]),
            "began_ns": np.array(self._began_ns),
            "cpu_s": np.array([begin_cpu, end_cpu]),
            "peak_rss_kib": np.array(_peak_rss_kib()),
            **{f"extra_{name}": values for name, values in self.extra.items()},
        }
        for camera, frames in enumerate(self._frames):
            notes[f"camera_{camera}"] = np.array(frames, np.int64).reshape(-1, 2)
        with spec.out.open("wb") as file:
            np.savez(file, **notes)


def _peak_rss_kib() -> int:
    """Most memory ever resident. Not `ru_maxrss`, which begins with that of the process that started this one."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def cpu_seconds() -> float:
    """User and system time of this process, all its threads and its ended children."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total
