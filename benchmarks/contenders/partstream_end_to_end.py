"""partstream with a real model on live cameras. Writes counts, times and settings as JSON to the spec's `out`."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.contenders.recorder import GRACE_S, Spec, cpu_seconds
from benchmarks.machine import busy_seconds, process_cpu_seconds
from stream.config import Config, load
from stream.engine import Engine
from stream.results import CameraStats
from telemetry.observer import Observer

POLL_S = 0.1
SECTIONS = {"model", "window", "tracking", "batch"}
"""Sections of the configuration that are noted with the figures."""


class FrameTimes(Observer):
    """Age and model time of every frame, and the time in the model, since `begin`.

    The engine runs the stages of a batch and then publishes its frames, all in one thread. So the time from the begin
    of the first stage to the end of the last one is the model time of the frames published next.
    """

    def __init__(self) -> None:
        self.rows: list[tuple[float, float]] = []
        """Age when the result was handed to ZeroMQ, and the time of that in the model, in seconds."""
        self.model_s = 0.0
        self._lock = threading.Lock()
        self._batch_ns = (0, 0)
        self._published = True

    def begin(self) -> None:
        """Discard everything recorded so far."""
        with self._lock:
            self.rows, self.model_s = [], 0.0

    def stage_ran(self, stage: str, began_ns: int, ended_ns: int) -> None:
        """Record a stage of the current batch."""
        self._batch_ns = (began_ns if self._published else self._batch_ns[0], ended_ns)
        self._published = False
        with self._lock:
            self.model_s += (ended_ns - began_ns) / 1e9

    def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None:
        """Record a frame."""
        self._published = True
        with self._lock:
            self.rows.append((age_seconds, (self._batch_ns[1] - self._batch_ns[0]) / 1e9))


@dataclass(frozen=True, slots=True)
class Moment:
    """State of the cameras' counts and of CPU times, in seconds, at one time."""

    monotonic_ns: int
    cameras: list[CameraStats]
    cpu_s: float
    others_cpu_s: dict[str, float]
    machine_s: tuple[float, float]

    @classmethod
    def now(cls, engine: Engine, others: dict[str, int]) -> Moment:
        """Return the current state. `others`: process ids by name."""
        others_cpu_s = {name: process_cpu_seconds(pid) for name, pid in others.items()}
        return cls(time.monotonic_ns(), engine.stats().cameras, cpu_seconds(), others_cpu_s, busy_seconds())


def configured(urls: list[str], options: dict[str, Any]) -> Config:
    """Return the configuration: that of the file, if there is one, with these cameras and the options.

    Raises `ConfigError`.
    """
    cameras = [
        {"id": f"cam{index}", "source": url, "detector_size": options["detector_size"]}
        for index, url in enumerate(urls)
    ]
    overrides: dict[str, Any] = {
        "cameras": cameras,
        "publish": {"endpoint": options["endpoint"], "replay": "tcp://127.0.0.1:0"},
        "http": {"bind": "127.0.0.1:0"},
        # An eased engine would answer frames without looking at them.
        "overload": "drop",
    }
    if options["profile"] is not None:
        overrides["model"] = {"profile": options["profile"]}
    return load(options["config"], overrides)


async def run(spec: Spec) -> dict[str, Any]:
    """Run the engine, wait for a result of each camera, warm up, and measure.

    If only some cameras give results in time, the engine is overloaded, which the figures show. Raises TimeoutError if
    none does.
    """
    times = FrameTimes()
    config = configured(spec.urls, spec.options)
    others: dict[str, int] = spec.options["others"]
    async with Engine(config, observers=[times]) as engine:
        give_up = time.monotonic() + spec.start_timeout_s
        while not all(camera.processed for camera in engine.stats().cameras):
            if time.monotonic() > give_up:
                if any(camera.processed for camera in engine.stats().cameras):
                    break
                raise TimeoutError(f"no camera gave a result within {spec.start_timeout_s:.0f} s")
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(spec.warm_up_s)
        times.begin()
        before = Moment.now(engine, others)
        await asyncio.sleep(spec.seconds)
        after = Moment.now(engine, others)
        rows, model_s = np.array(times.rows).reshape(-1, 2) * 1e3, times.model_s
        await asyncio.sleep(GRACE_S)
        return {
            **summary(before, after, rows, model_s),
            "settings": config.model_dump(mode="json", include=SECTIONS),
        }


def summary(before: Moment, after: Moment, frames_ms: np.ndarray, model_s: float) -> dict[str, Any]:
    """Return the figures between two moments; `frames_ms` [n, 2]: age and time in the model."""
    decoded = sum(camera.decoded for camera in after.cameras) - sum(camera.decoded for camera in before.cameras)
    processed = sum(camera.processed for camera in after.cameras) - sum(camera.processed for camera in before.cameras)
    reasons = {reason for camera in after.cameras for reason in camera.dropped}
    dropped = {
        reason: sum(camera.dropped.get(reason, 0) for camera in after.cameras)
        - sum(camera.dropped.get(reason, 0) for camera in before.cameras)
        for reason in sorted(reasons)
    }
    seconds = (after.monotonic_ns - before.monotonic_ns) / 1e9
    cpu_s = after.cpu_s - before.cpu_s
    others_s = {name: after.others_cpu_s[name] - before.others_cpu_s[name] for name in after.others_cpu_s}
    busy_s, possible_s = (late - early for early, late in zip(before.machine_s, after.machine_s, strict=True))
    return {
        "window_ns": [before.monotonic_ns, after.monotonic_ns],
        "seconds": seconds,
        "decoded": decoded,
        "processed": processed,
        "dropped": dropped,
        "cpu_ms_per_frame": cpu_s * 1e3 / max(processed, 1),
        "engine_cores": cpu_s / seconds,
        "model_share": model_s / seconds,
        **{f"{name}_cores": spent_s / seconds for name, spent_s in others_s.items()},
        "other_cpu_share": max(0.0, (busy_s - cpu_s - sum(others_s.values())) / max(possible_s, 1e-9)),
        **_percentiles("published", frames_ms[:, 0]),
        **_percentiles("model", frames_ms[:, 1]),
    }


def _percentiles(name: str, values_ms: np.ndarray) -> dict[str, float | None]:
    return {f"{name}_ms_p{q}": float(np.percentile(values_ms, q)) if len(values_ms) else None for q in (50, 99)}


def main() -> None:
    """Run the spec given on the command line."""
    import uvloop

    spec = Spec.from_argv()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        spec.out.write_text(json.dumps(runner.run(run(spec))))
    os._exit(0)


if __name__ == "__main__":
    main()
