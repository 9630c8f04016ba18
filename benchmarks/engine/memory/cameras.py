"""Cameras that are added and removed over the control API, each after its first result.

Test patterns, files and RTSP cameras, all with a zone whose rule raises an alert and a clip. Some have masks or are in
skeleton mode: the engine never forgets what was hidden of a camera, so these are the same few cameras again and again.
One event stream and one subscriber follow all cameras.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import av
from av.video.stream import VideoStream

from benchmarks.browser.chromium import poll
from benchmarks.cameras import clip
from benchmarks.cameras.camera_client import Cameras
from benchmarks.engine.memory import viewers
from benchmarks.engine.memory.engine_process import EngineProcess, Sample, SampleLog
from benchmarks.engine.memory.viewer_hour import HALL, MASK, RECIPE, RULES

AT_ONCE = 8
SERIES_EACH = 100
"""Cameras."""
HISTORY_BYTES = 1 << 20
"""Small, so that it is soon full."""
KINDS = ("pattern", "file", "hidden", "rtsp")
HIDDEN = 32
"""Cameras with a mask or in skeleton mode; more than live at once."""


def settings(folder: Path) -> dict[str, Any]:
    """Return the engine's settings; writes the rules file."""
    (folder / "rules.yaml").write_text(RULES)
    return {
        "cameras": [],
        "model": {"profile": "free"},
        "publish": {"history_bytes": HISTORY_BYTES},
        "http": {"requests_per_second": 10_000, "camera_schemes": ["pattern", "file", "rtsp"]},
        "rules_file": str(folder / "rules.yaml"),
        "state_file": str(folder / "cameras.json"),
        "incidents": {"directory": str(folder / "incidents"), "budget": "5MB"},
        "recording": {
            "directory": str(folder / "clips"),
            "seconds_before": 0,
            "seconds_after": 0,
            "budget": "5MB",
            "packet_seconds": 5,
        },
    }


def _film(folder: Path) -> Path:
    """Write a short film, and return its path."""
    path = folder / "film.mp4"
    taken = clip.prepared(RECIPE)
    with av.open(str(taken.stream), format="h264") as source, av.open(str(path), "w") as target:
        copied = target.add_stream_from_template(source.streams.video[0])
        assert isinstance(copied, VideoStream)
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            packet.pts = packet.dts = number * 512
            packet.stream = copied
            target.mux(packet)
    return path


class Turnover:
    """Adds and removes cameras; `removed` counts those that were live."""

    def __init__(self, engine: EngineProcess, sources: dict[str, str], cameras: int, log: SampleLog) -> None:
        self.removed = 0
        self._engine = engine
        self._sources = sources
        self._left = list(range(cameras - 1, -1, -1))
        self._log = log

    async def work(self) -> None:
        """Take one camera after another until none is left."""
        while self._left:
            await self._live_and_gone(self._left.pop())
            self.removed += 1
            series = await self._engine.series() if self.removed % SERIES_EACH == 0 else None
            self._log.add(self._engine.sample(self.removed, series))

    async def _live_and_gone(self, number: int) -> None:
        session, kind = self._engine.session, KINDS[number % len(KINDS)]
        name, wanted = f"camera{number}", {"source": self._sources.get(kind), "zones": HALL}
        if kind == "file":
            wanted["pace"] = "loop"
        elif kind == "hidden":
            number = number // len(KINDS) % HIDDEN
            hides = {"privacy": "skeleton"} if number % 2 else {"masks": MASK}
            name, wanted = f"hidden{number}", {"source": f"pattern:160x120@10.{number:02}", "zones": HALL, **hides}
        path = f"{self._engine.address}/api/v1/cameras/{name}"
        async with session.put(path, json=wanted) as answer:
            if answer.status not in (200, 201):  # 200: the client repeated it on another connection
                raise RuntimeError(f"{name} was not added: {answer.status} {await answer.text()}")
        await poll(lambda: self._has_result(path))
        async with session.delete(path) as answer:
            if answer.status != 204:
                raise RuntimeError(f"{name} was not removed: {answer.status} {await answer.text()}")

    async def _has_result(self, path: str) -> bool:
        async with self._engine.session.get(f"{path}/result") as answer:
            await answer.read()
            return answer.status == 200


async def run(
    folder: Path, cameras: int, progress: Callable[[str], None], environment: Mapping[str, str] | None = None
) -> tuple[list[Sample], dict[str, Any]]:
    """Add and remove this many cameras; return the samples of the engine, and what is left at the end."""
    log = SampleLog(folder / "samples.jsonl")
    async with AsyncExitStack() as stack:
        servers = stack.enter_context(Cameras(clip.prepared(RECIPE), 1, capacity=1_000_000))
        sources = {"pattern": "pattern:160x120@10", "file": str(_film(folder)), "rtsp": servers.urls[0]}
        engine = await stack.enter_async_context(EngineProcess(folder, settings(folder), environment=environment))
        follow = [viewers.events, viewers.subscriber(engine.endpoint, engine.replay)]
        following = [asyncio.create_task(reader(engine.address, "")) for reader in follow]
        turnover = Turnover(engine, sources, cameras, log)
        workers = [asyncio.create_task(turnover.work()) for _ in range(AT_ONCE)]
        try:
            while not all(worker.done() for worker in workers):
                await asyncio.wait([*workers, *following], timeout=10, return_when=asyncio.FIRST_EXCEPTION)
                for task in (*workers, *following):
                    if task.done():
                        task.result()
                progress(f"{log.samples[-1:]} {dict(viewers.received)}")
        finally:
            for task in (*workers, *following):
                task.cancel()
            await asyncio.gather(*workers, *following, return_exceptions=True)
        async with engine.session.get(f"{engine.address}/api/v1/cameras") as answer:
            listed = len((await answer.json())["cameras"])
        async with engine.session.get(f"{engine.address}/metrics") as answer:
            named = (await answer.text()).count('camera="')
        state = (folder / "cameras.json").stat().st_size
    left = {"cameras listed": listed, "series with a camera": named, "state file, bytes": state}
    return log.samples, {**left, "received": dict(viewers.received)}
