"""One run of one contender, with its own cameras and process, and the figures computed from its notes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cameras.barcode import UNREADABLE
from benchmarks.cameras.camera_client import Cameras, Sent
from benchmarks.cameras.clip import Clip, Recipe
from benchmarks.contenders.recorder import Spec
from benchmarks.engine.result_subscriber import ResultSubscriber, free_endpoint
from benchmarks.machine import busy_seconds

START_LIMIT_S = 90.0
REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Contender:
    """How to start a contender: its module in `benchmarks.contenders`, its Python and options."""

    name: str
    module: str
    python: Path = Path(sys.executable)
    options: dict[str, Any] = field(default_factory=dict)
    checkout: Path = REPOSITORY
    """Whose code it runs."""
    publishes: bool = False
    """Whether it publishes results over ZeroMQ, to which the benchmark then subscribes."""


class RunFailedError(RuntimeError):
    """A contender's process failed. The message contains the end of its output."""


@dataclass(frozen=True, slots=True)
class AtSubscriber:
    """Results received by a subscriber in another process, of those handed to ZeroMQ in the measured time."""

    published: int
    missed: int
    latency_ms_p50: float
    latency_ms_p99: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one run. CPU is the user and system time of the contender's process per delivered frame."""

    contender: str
    cameras: int
    cpu_ms_per_frame: float
    frames_sent: int
    frames_delivered: int
    frames_lost: int
    duplicates: int
    unreadable: int
    restarts: int
    """Cameras to which the contender reconnected in the measured time."""
    latency_ms_p50: float
    latency_ms_p99: float
    open_s: float
    """Time from the contender's start, after imports, until every camera had delivered its first frame."""
    peak_rss_mib: float
    other_cpu_share: float
    """Share of the machine's CPU used by other programs."""
    own_latency_ms_p50: float | None = None
    own_latency_ms_p99: float | None = None
    dropped: int | None = None
    """Frames dropped since the start, as counted by the contender."""
    subscriber: AtSubscriber | None = None


def run_once(
    contender: Contender, clip: Clip, cameras: int, seconds: float, warm_up_s: float, *, staggered: bool = True
) -> Figures:
    """Start `cameras` new cameras, run the contender on them, and measure it for `seconds`."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="partstream-bench-"))
        served = stack.enter_context(Cameras(clip, cameras, staggered=staggered))
        out, spec_file = Path(folder, "notes.npz"), Path(folder, "spec.json")
        options = dict(contender.options)
        subscriber = None
        if contender.publishes:
            options["endpoint"] = free_endpoint()
            subscriber = stack.enter_context(ResultSubscriber(options["endpoint"]))
        Spec(served.urls, seconds, warm_up_s, out, options=options).write(spec_file)
        before = _Usage.now(served)
        run_process(contender, spec_file, folder, START_LIMIT_S + warm_up_s + seconds)
        after = _Usage.now(served)
        with np.load(out) as loaded:
            notes = dict(loaded)
        sent = served.sent()
        return replace(
            figures(contender.name, notes, sent, clip.recipe),
            other_cpu_share=after.others_share(before, float(notes["cpu_s"][1])),
            subscriber=None if subscriber is None else at_subscriber(subscriber, notes, sent, clip.recipe),
        )


def run_process(contender: Contender, spec_file: Path, folder: str, limit_s: float) -> None:
    """Run a contender's process. Raises `RunFailedError` with its output if it fails or exceeds `limit_s`."""
    process = subprocess.Popen(
        [str(contender.python), "-m", f"benchmarks.contenders.{contender.module}", str(spec_file)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(contender.checkout), "OPENCV_LOG_LEVEL": "ERROR"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise RunFailedError(f"{contender.name}: timed out after {limit_s:.0f} s\n{output[-2000:]}") from None
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode != 0:
        raise RunFailedError(f"{contender.name}: exit code {process.returncode}\n{output[-2000:]}")


@dataclass(frozen=True, slots=True)
class _Usage:
    """CPU seconds since boot: used by all processes, by this one and by the cameras, and available in total."""

    all_s: float
    ours_s: float
    server_s: float
    possible_s: float

    @classmethod
    def now(cls, served: Cameras) -> _Usage:
        busy_s, possible_s = busy_seconds()
        return cls(busy_s, time.process_time(), served.cpu_seconds(), possible_s)

    def others_share(self, before: _Usage, contender_s: float) -> float:
        """Return the share of the machine used by other programs since `before`."""
        known = contender_s + self.ours_s - before.ours_s + self.server_s - before.server_s
        return max(0.0, (self.all_s - before.all_s - known) / max(self.possible_s - before.possible_s, 1e-9))


def figures(name: str, notes: dict[str, np.ndarray], sent: Sent, clip: Recipe) -> Figures:
    """Compute the figures from the server's send times and the contender's notes.

    A frame is lost if it was sent in the measured time and not delivered by the end of the grace period.
    """
    begin, end = (int(edge) for edge in notes["window_ns"])
    latencies: list[np.ndarray] = []
    delivered = sent_count = lost = duplicates = unreadable = restarts = 0
    for camera, times in enumerate(sent.times_ns):
        rows = notes[f"camera_{camera}"]
        in_window = (rows[:, 1] >= begin) & (rows[:, 1] < end)
        delivered += int(in_window.sum())
        unreadable += int((rows[in_window, 0] == UNREADABLE).sum())
        readable = rows[rows[:, 0] != UNREADABLE]
        numbers = unwrapped(readable, times, clip.frames)
        readable, numbers = readable[numbers >= 0], numbers[numbers >= 0]
        unique = np.unique(numbers)
        duplicates += len(numbers) - len(unique)
        due = np.flatnonzero((times >= begin) & (times < end))
        missing = len(np.setdiff1d(due, unique))
        expected = len(due)
        if not len(times) or times[0] >= begin:
            restarts += 1
            expected = round((end - begin) / 1e9 * clip.fps)
            missing = max(0, expected - int(in_window.sum()))
        sent_count += expected
        lost += missing
        of_window = np.isin(numbers, due)
        latencies.append((readable[of_window, 1] - times[numbers[of_window]]) / 1e6)
    together = np.concatenate(latencies)
    own = _own_latency_ms(notes, begin, end)
    return Figures(
        contender=name,
        cameras=len(sent.times_ns),
        cpu_ms_per_frame=float(notes["cpu_s"][1] - notes["cpu_s"][0]) / max(delivered, 1) * 1e3,
        frames_sent=sent_count,
        frames_delivered=delivered,
        frames_lost=lost,
        duplicates=duplicates,
        unreadable=unreadable,
        restarts=restarts,
        latency_ms_p50=_percentile(together, 50),
        latency_ms_p99=_percentile(together, 99),
        open_s=_open_s(notes, len(sent.times_ns)),
        peak_rss_mib=float(notes["peak_rss_kib"]) / 1024,
        other_cpu_share=0.0,
        own_latency_ms_p50=None if own is None else _percentile(own, 50),
        own_latency_ms_p99=None if own is None else _percentile(own, 99),
        dropped=int(notes["extra_dropped"].sum()) if "extra_dropped" in notes else None,
    )


def at_subscriber(
    subscriber: ResultSubscriber, notes: dict[str, np.ndarray], sent: Sent, clip: Recipe
) -> AtSubscriber | None:
    """Compute what the subscriber received of the results handed over; None if a camera had several epochs.

    Within an epoch, the message `seq` of a camera belongs to row `seq` of the contender's notes.
    """
    begin, end = (int(edge) for edge in notes["window_ns"])
    latencies: list[np.ndarray] = []
    published = missed = 0
    for camera, times in enumerate(sent.times_ns):
        handed = notes[f"camera_{camera}"]
        received = subscriber.rows(f"cam{camera}")
        if len(np.unique(received[:, 0])) > 1:
            return None
        due = np.flatnonzero((handed[:, 1] >= begin) & (handed[:, 1] < end))
        published += len(due)
        missed += len(np.setdiff1d(due, received[:, 1]))
        in_window = np.isin(received[:, 1], due)
        rows = np.stack([handed[received[in_window, 1], 0], received[in_window, 2]], axis=1)
        numbers = unwrapped(rows, times, clip.frames)
        latencies.append((rows[:, 1] - times[numbers])[rows[:, 0] != UNREADABLE] / 1e6)
    together = np.concatenate(latencies)
    return AtSubscriber(published, missed, _percentile(together, 50), _percentile(together, 99))


def unwrapped(rows: np.ndarray, times: np.ndarray, clip_length: int) -> np.ndarray:
    """Return frame numbers since the start of the session, from rows of (number in the looped clip, received ns).

    It is the last frame with that clip number that had been sent when it was received; negative if there is none
    (a frame of an earlier session).
    """
    sent_before = np.searchsorted(times, rows[:, 1], side="right") - 1
    return sent_before - (sent_before - rows[:, 0]) % clip_length


def _own_latency_ms(notes: dict[str, np.ndarray], begin: int, end: int) -> np.ndarray | None:
    """Return the times from ready to handed over, ms, in the measured time; None if they were not noted."""
    stamps = notes.get("extra_own_latency")
    if stamps is None:
        return None
    return stamps[(stamps[:, 0] >= begin) & (stamps[:, 0] < end), 1] / 1e6


def _open_s(notes: dict[str, np.ndarray], cameras: int) -> float:
    last_ns = max(notes[f"camera_{camera}"][0, 1] for camera in range(cameras))
    return float(last_ns - notes["began_ns"]) / 1e9


def _percentile(values: np.ndarray, percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else float("inf")
