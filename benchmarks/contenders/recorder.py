"""Notes that each contender takes of its run: when it had which frame, and its CPU time.

They are written to the file named in the spec. Requires only numpy, because peers run in their own environments.
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
"""Grace period after the measured time, in which frames sent in that time may still arrive."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Description of a run: cameras, durations, output file and options of the contender."""

    urls: list[str]
    seconds: float
    warm_up_s: float
    out: Path
    start_timeout_s: float = 60.0
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_argv(cls) -> Spec:
        """Read the spec from the JSON file named on the command line."""
        content = json.loads(Path(sys.argv[1]).read_text())
        return cls(**{**content, "out": Path(content["out"])})

    def write(self, path: Path) -> None:
        """Write the spec as JSON."""
        fields = ("urls", "seconds", "warm_up_s", "start_timeout_s", "options")
        path.write_text(json.dumps({"out": str(self.out), **{name: getattr(self, name) for name in fields}}))


class NeverStartedError(RuntimeError):
    """A camera delivered no frame within the start timeout."""


class Recorder:
    """Collects the notes of a process. `frame` may be called from any thread, but from one at a time per camera.

    Create it after all imports and before opening cameras, because the opening time starts then.
    """

    def __init__(self, cameras: int) -> None:
        self._frames: list[list[tuple[int, int]]] = [[] for _ in range(cameras)]
        self.extra: dict[str, np.ndarray] = {}
        self._began_ns = time.monotonic_ns()

    def frame(self, camera: int, number: int) -> None:
        """Record that the contender now has frame `number` (from its barcode) of the camera."""
        self._frames[camera].append((number, time.monotonic_ns()))

    def frame_at(self, camera: int, number: int, now_ns: int) -> None:
        """Record a frame with a time taken before."""
        self._frames[camera].append((number, now_ns))

    def measure(self, spec: Spec, finish: Callable[[], None] = lambda: None) -> None:
        """Wait for each camera's first frame, warm up, measure for `spec.seconds`, and wait for the grace period.

        Then call `finish` and write the notes. Blocks the calling thread throughout.
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
    """Return the peak resident memory. `ru_maxrss` would include that of the parent process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def cpu_seconds() -> float:
    """Return the user and system time of this process with its threads and ended children."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total
