"""partstream with a real model on live cameras. Writes counts, ages and model times as JSON to the spec's `out`."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from typing import Any

import numpy as np

from benchmarks.contenders.recorder import Spec, cpu_seconds
from stages.settings import ModelSettings
from stream.config import Config
from stream.engine import Engine
from stream.results import CameraStats
from stream.settings.engine import CameraConfig, PublishConfig
from stream.settings.network import HttpConfig
from telemetry.observer import Observer

POLL_S = 0.1


class FrameTimes(Observer):
    """Age and model time of every frame, and the number of people, since `begin`.

    The engine runs the stages of a batch and then publishes its frames, all in one thread. So the time from the begin
    of the first stage to the end of the last one is the model time of the frames published next.
    """

    def __init__(self) -> None:
        self.rows: list[tuple[float, float]] = []
        """Age when the result was handed to ZeroMQ, and the time of that in the model, in seconds."""
        self.people = 0
        self._lock = threading.Lock()
        self._batch_ns = (0, 0)
        self._published = True

    def begin(self) -> None:
        """Discard everything recorded so far."""
        with self._lock:
            self.rows, self.people = [], 0

    def stage_ran(self, stage: str, began_ns: int, ended_ns: int) -> None:
        """Record a stage of the current batch."""
        self._batch_ns = (began_ns if self._published else self._batch_ns[0], ended_ns)
        self._published = False

    def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None:
        """Record a frame."""
        self._published = True
        with self._lock:
            self.rows.append((age_seconds, (self._batch_ns[1] - self._batch_ns[0]) / 1e9))

    def people_seen(self, camera: str, people: int, tracks: int) -> None:
        """Count the people of a frame."""
        with self._lock:
            self.people += people


async def run(spec: Spec) -> dict[str, Any]:
    """Run the engine, wait for a result of each camera, warm up, and measure."""
    times = FrameTimes()
    size = spec.options["detector_size"]
    cameras = [
        CameraConfig(**{"id": f"cam{index}", "source": url, "detector_size": size})
        for index, url in enumerate(spec.urls)
    ]
    config = Config(
        cameras=cameras,
        model=ModelSettings(profile=spec.options["profile"]),  # pyright: ignore[reportCallIssue]
        publish=PublishConfig(endpoint="tcp://127.0.0.1:0", replay="tcp://127.0.0.1:0"),  # pyright: ignore[reportCallIssue]
        http=HttpConfig(bind="127.0.0.1:0"),  # pyright: ignore[reportCallIssue]
    )
    async with Engine(config, observers=[times]) as engine:
        give_up = time.monotonic() + spec.start_timeout_s
        while not all(camera.processed for camera in engine.stats().cameras):
            if time.monotonic() > give_up:
                raise TimeoutError(f"some cameras gave no result within {spec.start_timeout_s:.0f} s")
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(spec.warm_up_s)
        times.begin()
        before, began, cpu = engine.stats().cameras, time.monotonic(), cpu_seconds()
        await asyncio.sleep(spec.seconds)
        after, elapsed_s, cpu_s = engine.stats().cameras, time.monotonic() - began, cpu_seconds() - cpu
        frames = np.array(times.rows).reshape(-1, 2) * 1e3
        return summary(before, after, elapsed_s, cpu_s, frames, times.people)


def summary(
    before: list[CameraStats],
    after: list[CameraStats],
    elapsed_s: float,
    cpu_s: float,
    frames_ms: np.ndarray,
    people: int,
) -> dict[str, Any]:
    """Return the figures between two states of the cameras' counts; `frames_ms` [n, 2]: age and time in the model."""
    decoded = sum(camera.decoded for camera in after) - sum(camera.decoded for camera in before)
    processed = sum(camera.processed for camera in after) - sum(camera.processed for camera in before)
    reasons = {reason for camera in after for reason in camera.dropped}
    dropped = {
        reason: sum(camera.dropped.get(reason, 0) for camera in after)
        - sum(camera.dropped.get(reason, 0) for camera in before)
        for reason in sorted(reasons)
    }
    return {
        "seconds": elapsed_s,
        "decoded": decoded,
        "processed": processed,
        "dropped": dropped,
        "people": people,
        "cpu_ms_per_frame": cpu_s * 1e3 / max(processed, 1),
        **_percentiles("age", frames_ms[:, 0]),
        **_percentiles("model", frames_ms[:, 1]),
        **_percentiles("engine", frames_ms[:, 0] - frames_ms[:, 1]),
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
