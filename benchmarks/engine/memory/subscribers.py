"""Waves of subscribers that connect, receive, and leave. Some leave properly, some are killed, and some never read."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.engine.memory.engine_process import REPOSITORY, EngineProcess, Sample, SampleLog

WAVE_PROGRAM = "benchmarks.engine.memory.programs.subscriber_wave"
WAVE = 250
UNREAD = 25
"""Subscribers of a wave that never read."""
SAMPLE_EACH_S = 1.0
QUIET_S = 3.0
"""Time between waves, in which the engine notices which subscribers have left."""
CAMERAS = 2


def settings(curve: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the engine's settings."""
    return {
        "cameras": [{"id": f"cam{number}", "source": "pattern:320x180@10"} for number in range(CAMERAS)],
        "model": {"profile": "free"},
        "publish": {"history_messages": 100, **(curve or {})},
    }


async def run(
    folder: Path, subscribers: int, progress: Callable[[str], None], environment: Mapping[str, str] | None = None
) -> tuple[list[Sample], dict[str, int]]:
    """Let this many subscribers come and go; return the samples, and how many subscribers received nothing."""
    log = SampleLog(folder / "samples.jsonl")
    failed = done = 0
    async with EngineProcess(folder, settings(), environment=environment) as engine:

        async def sample() -> None:
            while True:
                log.add(engine.sample(done, await engine.series() if not done % (4 * WAVE) else None))
                await asyncio.sleep(SAMPLE_EACH_S)

        sampling = asyncio.create_task(sample())
        try:
            while done < subscribers:
                failed += await _wave(engine, rudely=done // WAVE % 2 == 1)
                done += WAVE
                await asyncio.sleep(QUIET_S)
                progress(f"{log.samples[-1]} without a message: {failed}")
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
        log.add(engine.sample(done, await engine.series()))
    return log.samples, {"without a message": failed, "never read": UNREAD * (done // WAVE)}


async def _wave(engine: EngineProcess, *, rudely: bool) -> int:
    """Let a wave come and go; return how many of it received nothing."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.engine.memory.programs.subscriber_wave",
        engine.endpoint,
        engine.replay,
    ]
    wave = await asyncio.create_subprocess_exec(
        *command, str(WAVE), str(UNREAD), stdin=PIPE, stdout=PIPE, cwd=REPOSITORY
    )
    try:
        assert wave.stdin is not None and wave.stdout is not None
        without = int(await wave.stdout.readline())
        if not rudely:
            wave.stdin.write(b"\n")
            await wave.wait()
        return without
    finally:
        await _kill(wave)


async def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
