"""An engine with test patterns and a model that does no work, which measures the CPU time of its own threads.

`python threads_trial.py CAMERAS FPS WARM_UP_S SECONDS` imports partstream from PYTHONPATH, so that several checkouts
can be compared. It prints its endpoint, waits for a line, measures, and prints the figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path

MOST_WAITS, WAIT_S = 600, 0.1
"""For the first frame, on a busy machine."""
TASKS = Path("/proc/self/task")
GROUPS = {"inference": "inference", "MainThread": "event loop", "ZMQbg": "ZeroMQ"}
"""Beginnings of the names of threads, and what they are called in the figures."""


def group(thread: int) -> str:
    """Return what a thread is called in the figures."""
    names = {one.native_id: one.name for one in threading.enumerate()}
    name = names.get(thread) or (TASKS / str(thread) / "comm").read_text()
    return next((called for beginning, called in GROUPS.items() if name.startswith(beginning)), "others")


def used() -> dict[int, tuple[int, int]]:
    """Return for each thread its CPU time in ns, and how often it went to sleep."""
    found: dict[int, tuple[int, int]] = {}
    for task in TASKS.iterdir():
        status = (task / "status").read_text()
        sleeps = int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        found[int(task.name)] = int((task / "schedstat").read_text().split()[0]), sleeps
    return found


async def main(cameras: int, fps: float, warm_up_s: float, seconds: float) -> None:
    """Run the engine and print the figures."""
    from stages.free_model import FreeModel
    from stream.config import Config
    from stream.engine import Engine
    from stream.settings.engine import CameraConfig

    settings = {"publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"}, "http": {"bind": None}}
    async with Engine(Config.model_validate(settings), model=FreeModel()) as engine:
        print(engine.publisher.endpoint, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for number in range(cameras):
            source = f"pattern:1280x720@{fps:g}"
            engine.add_camera(CameraConfig.model_validate({"id": f"cam{number}", "source": source}))
            await asyncio.sleep(1 / fps / cameras)
        await asyncio.sleep(warm_up_s)
        before, frames = used(), _processed(engine)
        began = time.monotonic()
        await asyncio.sleep(seconds)
        for _ in range(MOST_WAITS):
            if _processed(engine) > frames:
                break
            await asyncio.sleep(WAIT_S)
        after, frames = used(), _processed(engine) - frames
        figures: dict[str, float] = {"frames_per_s": frames / (time.monotonic() - began)}
        for thread, (cpu_ns, sleeps) in after.items():
            cpu_before, sleeps_before = before.get(thread, (0, 0))
            name = group(thread)
            figures[name] = figures.get(name, 0.0) + (cpu_ns - cpu_before) / 1e3 / frames
            figures[f"{name} sleeps"] = figures.get(f"{name} sleeps", 0.0) + (sleeps - sleeps_before) / frames
        print(json.dumps(figures), flush=True)
    os._exit(0)


def _processed(engine: object) -> int:
    return sum(camera.processed for camera in engine.stats().cameras)  # pyright: ignore


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), *map(float, sys.argv[2:])))
