"""An hour of every kind of reader at once: some stay, others come and go, read nothing, or vanish.

One engine with two small cameras, one of which has a mask, so that its video is encoded by the engine. Both record
clips and raise alerts, of which pictures are kept; directories and histories are small, so that they are soon full.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.browser.chromium import Browser, Page
from benchmarks.cameras import clip
from benchmarks.cameras.camera_client import Cameras
from benchmarks.engine.memory import viewers
from benchmarks.engine.memory.engine_process import EngineProcess, Sample, SampleLog
from benchmarks.engine.memory.page_memory import PageMemory, held_by

RECIPE = clip.Recipe(width=320, height=180, fps=10, frames=100, bits_per_second=250_000)
CAMERAS = ("plain", "masked")
SAMPLE_EACH_S = 5.0
SERIES_EACH = 24
"""Samples."""
STAYS_S = (3.0, 30.0)
COMERS = 8
"""Readers that come and go, at a time."""
AGAIN_S = 1.0
RULES = """
rules:
  visitor: {zone: hall, clear_after: 200ms, cooldown: 0s, severity: info}
  down: {action: fall, clear_after: 200ms, cooldown: 0s, severity: critical}
"""
HALL = {"hall": {"points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}
MASK = {"desk": {"points": [[0.6, 0], [1, 0], [1, 0.3], [0.6, 0.3]]}}

Progress = Callable[[str], None]


def settings(folder: Path, urls: list[str]) -> dict[str, Any]:
    """Return the engine's settings; writes the rules file."""
    (folder / "rules.yaml").write_text(RULES)
    plain, masked = ({"id": name, "source": url, "zones": HALL} for name, url in zip(CAMERAS, urls))
    return {
        "cameras": [plain, {**masked, "masks": MASK}],
        "model": {"profile": "free"},
        "publish": {"history_messages": 100},
        "http": {"requests_per_second": 1000},
        "rules_file": str(folder / "rules.yaml"),
        "state_file": str(folder / "cameras.json"),
        "incidents": {"directory": str(folder / "incidents"), "actions": {"fall": 0.5}, "budget": "5MB"},
        "recording": {
            "directory": str(folder / "clips"),
            "actions": {"fall": 0.5},
            "seconds_before": 1,
            "seconds_after": 1,
            "budget": "20MB",
            "packet_seconds": 5,
        },
    }


async def _again(reader: viewers.Reader, address: str, camera: str) -> None:
    """Read until cancelled; start again when the engine ends a stream or has no room for it."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            await reader(address, camera)
        await asyncio.sleep(AGAIN_S)


async def _come_and_go(kinds: dict[str, viewers.Reader], address: str, visits: Counter[str], seed: int) -> None:
    """Run one reader after another, each for a while."""
    rng = random.Random(seed)
    while True:
        name = rng.choice(list(kinds))
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(rng.uniform(*STAYS_S)):
                await _again(kinds[name], address, rng.choice(CAMERAS))
        visits[name] += 1


async def run(
    folder: Path, seconds: float, progress: Progress, environment: Mapping[str, str] | None = None
) -> tuple[list[Sample], list[PageMemory], dict[str, Any]]:
    """Run it in `folder`; return the samples of the engine and of the live page, and what the readers did."""
    log = SampleLog(folder / "samples.jsonl")
    visits: Counter[str] = Counter()
    page_log: list[PageMemory] = []
    async with AsyncExitStack() as stack:
        cameras = stack.enter_context(Cameras(clip.prepared(RECIPE), len(CAMERAS), capacity=1_000_000))
        engine = await stack.enter_async_context(
            EngineProcess(folder, settings(folder, cameras.urls), environment=environment)
        )
        page = await _live_page(stack, engine.address)
        kinds = {**viewers.READERS, **viewers.RUDE, "subscriber": viewers.subscriber(engine.endpoint, engine.replay)}
        staying = [
            _again(reader, engine.address, camera)
            for name, reader in kinds.items()
            if name not in viewers.RUDE
            for camera in (CAMERAS if name == "video" else CAMERAS[:1])
        ]
        passing = [_come_and_go(kinds, engine.address, visits, seed) for seed in range(COMERS)]
        tasks = [asyncio.create_task(task) for task in (*staying, *passing)]
        try:
            began = time.monotonic()
            while (elapsed := time.monotonic() - began) < seconds:
                if engine.ended is not None:
                    raise RuntimeError(f"the engine ended with {engine.ended}")
                for task in tasks:
                    if task.done():
                        task.result()
                asks = len(log.samples) % SERIES_EACH == 0
                log.add(engine.sample(sum(visits.values()), await engine.series() if asks else None))
                if asks:
                    page_log.append(await held_by(page, elapsed))
                    progress(f"{log.samples[-1]} {page_log[-1]} {dict(viewers.received)}")
                await asyncio.sleep(SAMPLE_EACH_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return log.samples, page_log, {"visits": dict(visits), "received": dict(viewers.received)}


async def _live_page(stack: AsyncExitStack, address: str) -> Page:
    """Open the live page in a browser, with the plain camera enlarged: its own video."""
    browser = await stack.enter_async_context(Browser())
    page = await browser.open(f"{address}/#{CAMERAS[0]}", size=(640, 400))
    await page.wait_for("[...document.querySelectorAll('canvas')].some(canvas => canvas.width > 1)")
    return page
