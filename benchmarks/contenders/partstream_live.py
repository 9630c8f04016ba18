"""partstream with a real model on live cameras: how many frames it had, processed and dropped, and how old they got.

Measures itself for the time that the spec names, writes JSON where it says, and ends.
"""

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


class Ages(Observer):
    """Age of every frame when its result was handed to ZeroMQ, and the people seen, since `begin`."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.people = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Forget what came before."""
        with self._lock:
            self.seconds, self.people = [], 0

    def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None:
        """One frame."""
        with self._lock:
            self.seconds.append(age_seconds)

    def people_seen(self, camera: str, people: int, tracks: int) -> None:
        """People of one frame."""
        with self._lock:
            self.people += people


async def run(spec: Spec) -> dict[str, Any]:
    """Run the engine, wait until every camera is live, warm up, measure."""
    ages = Ages()
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
    async with Engine(config, observers=[ages]) as engine:
        give_up = time.monotonic() + spec.start_timeout_s
        while not all(camera.processed for camera in engine.stats().cameras):
            if time.monotonic() > give_up:
                raise TimeoutError(f"not every camera gave a result within {spec.start_timeout_s:.0f} s")
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(spec.warm_up_s)
        ages.begin()
        before, began, cpu = engine.stats().cameras, time.monotonic(), cpu_seconds()
        await asyncio.sleep(spec.seconds)
        after, elapsed_s, cpu_s = engine.stats().cameras, time.monotonic() - began, cpu_seconds() - cpu
        return summary(before, after, elapsed_s, cpu_s, np.array(ages.seconds) * 1e3, ages.people)


def summary(
    before: list[CameraStats],
    after: list[CameraStats],
    elapsed_s: float,
    cpu_s: float,
    ages_ms: np.ndarray,
    people: int,
) -> dict[str, Any]:
    """What happened between two looks at the cameras' counts."""
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
        "age_ms_p50": float(np.percentile(ages_ms, 50)) if len(ages_ms) else None,
        "age_ms_p99": float(np.percentile(ages_ms, 99)) if len(ages_ms) else None,
    }


def main() -> None:
    """Run as the spec says."""
    import uvloop

    spec = Spec.from_argv()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        spec.out.write_text(json.dumps(runner.run(run(spec))))
    os._exit(0)


if __name__ == "__main__":
    main()
