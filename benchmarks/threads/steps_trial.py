"""The work of the inference thread for single frames, without other Python threads, so that less can disturb it.

`python steps_trial.py CAMERAS FRAMES` imports partstream from PYTHONPATH, as `threads_trial` does. For each line that
it reads, it measures FRAMES frames and counts the instructions of a few more. Whenever the thread is about to sleep, a
frame is put into a camera's ring. Before, memory of the size of a picture is written, as a decoder does, so that caches
hold as little of the engine as they do in operation.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from typing import Any

import numpy as np

WARM_UP = 200
COUNTED = 20
"""Frames of which instructions are counted."""
WRITTEN = 4 << 20
"""Bytes written before each frame."""
INTERVAL_US = 40_000
STALENESS_NS = 10**12
"""So long that no frame is dropped on a busy machine."""


class Bell:
    """Replaces the batcher's doorbell: fills a ring when the thread would sleep, and measures between the calls."""

    def __init__(self, bell: Any, rings: list[Any]) -> None:
        self.ns: list[int] = []
        """CPU time of each frame."""
        self._bell = bell
        self._rings = rings
        self._frames = 0
        self._began_ns = 0
        self._number = 0
        self._memory = np.zeros(WRITTEN, np.uint8)
        self.filling = False
        """Whether it puts a frame into a ring: what then runs is not the engine's work."""

    def begin(self, frames: int) -> None:
        """Provide this many frames from now on."""
        self.ns, self._frames = [], frames
        self._began_ns = time.thread_time_ns()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Put the next frame into a ring. Raises StopIteration after the last one."""
        self.ns.append(time.thread_time_ns() - self._began_ns)
        if len(self.ns) > self._frames:
            raise StopIteration
        self.filling = True
        self._memory[:] = self._number % 256
        self._fill(self._rings[self._number % len(self._rings)])
        self._number += 1
        self.filling = False
        self._began_ns = time.thread_time_ns()
        return bool(self._bell.wait(timeout_s))

    def _fill(self, ring: Any) -> None:
        from ring_buffers.frames import FrameMeta, SlotFormat

        number = self._number // len(self._rings)
        format = SlotFormat("planes", (64, 36), (64, 36))
        if number == 0:
            ring.begin_epoch(1, format)
        slot, now_ns = ring.acquire(), time.monotonic_ns()
        times = number * INTERVAL_US, time.time_ns() // 1000, "arrival", now_ns, time.monotonic_ns()
        ring.commit(slot, FrameMeta(ring.camera, 1, number, *times, (64, 36), format))


class Steps:
    """Cameras of an engine that has none, and their frames."""

    def __init__(self, engine: Any, cameras: int) -> None:
        from ring_buffers.frame_ring import FrameRing
        from stream.cameras.camera import Camera
        from stream.cameras.camera_rules import CameraRules
        from stream.live.live_video import LiveVideo
        from stream.privacy.camera_exit import CameraExit
        from stream.settings.engine import CameraConfig

        self._batcher, self._worker = engine._batcher, engine._worker
        rings = [FrameRing(f"cam{number}", on_ready=self._batcher.wake) for number in range(cameras)]
        for ring in rings:
            config = CameraConfig.model_validate({"id": ring.camera, "source": "pattern:64x36@25"})
            parts: Any = None, None, LiveVideo(), CameraExit(config), CameraRules(ring.camera, str)
            engine.cameras.running[ring.camera] = Camera(config, ring, *parts, str)  # pyright: ignore
            self._batcher.add(ring, STALENESS_NS)
        # If batches take long because the machine is busy, the batcher would wait for more frames.
        batch_done = self._batcher.batch_done
        self._batcher.batch_done = lambda _, frames: batch_done(0.0, frames)
        self._bell = Bell(self._batcher._bell, rings)

    def run(self, frames: int) -> list[float]:
        """Process frames in the inference thread, which calls this. Return the CPU time of each in µs."""
        self._batcher._bell, before = self._bell, self._batcher._bell
        self._bell.begin(frames)
        try:
            while True:
                if batch := self._worker.next_batch():
                    self._worker.run(batch)
        except StopIteration:
            self._batcher._bell = before
        return [one / 1e3 for one in self._bell.ns[1:]]

    def count(self) -> dict[str, int]:
        """Return the least numbers of Python functions and instructions that a frame takes.

        Some frames take more: the load is measured ten times a second.
        """
        instructions, calls = min(self._counted() for _ in range(COUNTED))
        return {"calls": calls, "instructions": instructions}

    def _counted(self) -> tuple[int, int]:
        calls = instructions = 0

        def instruction(frame: Any, event: str, argument: Any) -> Any:
            nonlocal instructions
            instructions += event == "opcode"
            return instruction

        def call(frame: Any, event: str, argument: Any) -> Any:
            nonlocal calls
            if self._bell.filling or frame.f_code.co_filename == __file__:
                return None
            calls += 1
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            return instruction

        sys.settrace(call)
        try:
            self.run(1)
        finally:
            sys.settrace(None)
        return instructions, calls


async def main(cameras: int, frames: int) -> None:
    """Run the engine and print the figures."""
    from stages.free_model import FreeModel
    from stream.config import Config
    from stream.engine import Engine

    publish = {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", "stats_interval_s": 3600}
    settings = {"publish": publish, "http": {"bind": None}}
    async with Engine(Config.model_validate(settings), model=FreeModel()) as engine:
        print(engine.publisher.endpoint, flush=True)
        run: Any = engine._inference.run  # pyright: ignore
        steps: Steps = await run(Steps, engine, cameras)
        await run(steps.run, WARM_UP)
        while await asyncio.to_thread(sys.stdin.readline):
            spent = statistics.quantiles(await run(steps.run, frames), n=4)
            figures = {"lower quartile": spent[0], "median": spent[1], **await run(steps.count)}
            print(json.dumps(figures), flush=True)
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
