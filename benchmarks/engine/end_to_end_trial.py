"""One trial of the end-to-end benchmark: so many cameras of a scene, an engine on some of the machine's cores.

The engine's process may run only on its cores. The cameras and the subscriber run on the others, if there are any.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cameras.camera_client import Cameras, Sent
from benchmarks.cameras.clip import Clip
from benchmarks.contenders.recorder import Spec
from benchmarks.engine.result_subscriber import ResultSubscriber, free_endpoint
from benchmarks.run_once import START_LIMIT_S, Contender, run_process


@dataclass(frozen=True, slots=True)
class Placement:
    """Cores of the engine, and cores of the cameras and the subscriber."""

    engine: tuple[int, ...]
    others: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """Whether the cameras and the subscriber take time from the engine."""
        return not set(self.engine).isdisjoint(self.others)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the engine runs. `config`: a configuration file for everything but cameras and addresses."""

    profile: str | None = None
    detector_size: tuple[int, int] | None = None
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """Figures of a trial; percentiles are over results and None if there was none.

    `age_ms`: from when the camera sent the frame until a subscriber received its result. `published_ms`: from the
    frame's arrival until its result was handed to ZeroMQ. `model_ms`: of that, the time in the model, which is that of
    the frame's whole batch; the rest is decoding, waiting for the batch, and publishing.
    """

    cameras: int
    run: int
    seconds: float
    due: int
    """Frames sent in the measured time; one that a camera was too late to send counts, too."""
    received: int
    """Results of them that the subscriber received."""
    age_ms_p50: float | None
    age_ms_p99: float | None
    decoded: int
    processed: int
    dropped: dict[str, int]
    cpu_ms_per_frame: float
    engine_cores: float
    """CPU time of the engine's process per second, in cores."""
    model_share: float
    """Share of the measured time in which the inference thread ran the model."""
    cameras_cores: float
    subscriber_cores: float
    other_cpu_share: float
    """Share of the machine used by other programs."""
    published_ms_p50: float | None = None
    published_ms_p99: float | None = None
    model_ms_p50: float | None = None
    model_ms_p99: float | None = None

    @property
    def share(self) -> float:
        """Share of the due results that were received."""
        return self.received / self.due if self.due else 0.0


def core_ids() -> list[int]:
    """Return the cores on which this process may run."""
    return sorted(os.sched_getaffinity(0))


def place(cores: int, usable: Iterable[int]) -> Placement:
    """Give the engine `cores` of the usable ones, and the others the rest, or all if there is no rest.

    Raises ValueError if there are too few.
    """
    usable = tuple(usable)
    if not 1 <= cores <= len(usable):
        raise ValueError(f"{cores} cores were asked for; this process may use {len(usable)}")
    return Placement(usable[:cores], usable[cores:] or usable)


@contextmanager
def pinned(cores: Iterable[int]) -> Iterator[None]:
    """Restrict this thread to these cores within the block. Threads and processes started in it stay restricted."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run_trial(
    clip: Clip, cameras: int, run: int, placement: Placement, options: EngineOptions, seconds: float, warm_up_s: float
) -> tuple[Trial, dict[str, Any]]:
    """Start cameras that show the clip and an engine on them, and measure it. Returns also the engine's settings.

    Raises `RunFailedError` if the engine does not run, or `CameraServerError`.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="partstream-bench-"))
        endpoint = free_endpoint()
        with pinned(placement.others):
            served = stack.enter_context(Cameras(clip, cameras, spread=True))
            subscriber = stack.enter_context(ResultSubscriber(endpoint))
        out, spec_file = Path(folder, "figures.json"), Path(folder, "spec.json")
        chosen = {
            "profile": options.profile,
            "detector_size": options.detector_size,
            "config": None if options.config is None else str(options.config.resolve()),
            "endpoint": endpoint,
            "others": {"cameras": served.pid, "subscriber": os.getpid()},
        }
        Spec(served.urls, seconds, warm_up_s, out, options=chosen).write(spec_file)
        with pinned(placement.engine):
            limit_s = START_LIMIT_S + warm_up_s + seconds
            run_process(Contender("partstream", "partstream_end_to_end"), spec_file, folder, limit_s)
        figures: dict[str, Any] = json.loads(out.read_text())
        settings = figures.pop("settings")
        begin_ns, end_ns = figures.pop("window_ns")
        rows = [subscriber.rows(f"cam{camera}") for camera in range(cameras)]
        due, ages_ms = results_of(served.sent(), rows, (begin_ns, end_ns), clip.recipe.fps)
    p50, p99 = (float(np.percentile(ages_ms, q)) if len(ages_ms) else None for q in (50, 99))
    return Trial(cameras, run, due=due, received=len(ages_ms), age_ms_p50=p50, age_ms_p99=p99, **figures), settings


def results_of(sent: Sent, rows: list[np.ndarray], window_ns: tuple[int, int], fps: int) -> tuple[int, np.ndarray]:
    """Return how many results were due for frames sent in the window, and the ages of those received, float [n], ms.

    `rows`: of each camera, as from `ResultSubscriber.rows`. A camera's frames are due even if it sent fewer than it
    should have, by more than one. A camera that the engine opened again has no results, because it is not known which
    frames they belong to.
    """
    begin_ns, end_ns = window_ns
    least = int((end_ns - begin_ns) / 1e9 * fps) - 1
    due, ages_ms = 0, [np.zeros(0)]
    for times_ns, sessions, received in zip(sent.times_ns, sent.sessions, rows, strict=True):
        sent_in_window = (times_ns >= begin_ns) & (times_ns < end_ns)
        due += max(least, int(sent_in_window.sum()))
        if sessions != 1:
            continue
        numbers = frame_numbers(received, fps)
        known = (numbers >= 0) & (numbers < len(times_ns))
        numbers, arrived_ns = numbers[known], received[known, 2]
        numbers, first = np.unique(numbers, return_index=True)
        counted = sent_in_window[numbers]
        ages_ms.append((arrived_ns[first] - times_ns[numbers])[counted] / 1e6)
    return due, np.concatenate(ages_ms)


def frame_numbers(rows: np.ndarray, fps: int) -> np.ndarray:
    """Return for each result of a session the number of its frame among those sent, int64 [n]; -1 for none.

    They follow from media times, because the engine's own numbers leave out frames that it could not decode. The first
    result tells both. Frame 0 is sent at once and has no place on the grid of the others.
    """
    usable = np.flatnonzero((rows[:, 3] > 0) & (rows[:, 0] == rows[:1, 0]))
    numbers = np.full(len(rows), -1, np.int64)
    if len(usable):
        media_us = rows[usable, 4]
        numbers[usable] = rows[usable[0], 3] + np.rint((media_us - media_us[0]) * fps / 1e6).astype(np.int64)
    return numbers
