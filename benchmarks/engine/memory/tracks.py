"""Endless tracks: crowds of people appear and vanish, so that no track's id occurs twice.

The bank of hidden states has fewer slots than people are tracked at the same time, each person has events, many raise
alerts, and pictures of them are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.engine.memory.engine_process import EngineProcess, Sample, SampleLog
from benchmarks.engine.memory.programs import crowd_engine

TRACKS_A_FRAME = crowd_engine.PASSING / crowd_engine.FRAMES
SAMPLE_EACH_S = 1.0
SERIES_EACH = 30
"""Samples."""
CAMERA = "crowd"
PROGRAM = ["-m", "benchmarks.engine.memory.programs.crowd_engine"]
RULES = """
actions:
  upright: {posture: upright}
rules:
  visitor: {zone: hall, clear_after: 0s, cooldown: 0s, severity: info}
"""
HALL = {"hall": {"points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}


def settings(folder: Path) -> dict[str, Any]:
    """Return the engine's settings; writes the rules file."""
    (folder / "rules.yaml").write_text(RULES)
    return {
        "cameras": [{"id": CAMERA, "source": "pattern:640x384@4", "pace": "fast", "zones": HALL}],
        "model": {"profile": "edge", "runtime": "torch", "detection": "full", "threads": 1, "state_slots": 64},
        "publish": {"history_messages": 100},
        "rules_file": str(folder / "rules.yaml"),
        "incidents": {"directory": str(folder / "incidents"), "budget": "5MB", "width": 320},
    }


async def run(
    folder: Path, tracks: int, progress: Callable[[str], None], environment: Mapping[str, str] | None = None
) -> list[Sample]:
    """Run until there were this many tracks; return the samples of the engine."""
    log, done = SampleLog(folder / "samples.jsonl"), 0
    async with EngineProcess(folder, settings(folder), program=PROGRAM, environment=environment) as engine:
        while done < tracks:
            await asyncio.sleep(SAMPLE_EACH_S)
            done = round(await _frames(engine) * TRACKS_A_FRAME)
            asks = len(log.samples) % SERIES_EACH == 0
            log.add(engine.sample(done, await engine.series() if asks else None))
            if asks:
                progress(str(log.samples[-1]))
    return log.samples


async def _frames(engine: EngineProcess) -> int:
    async with engine.session.get(f"{engine.address}/api/v1/cameras/{CAMERA}") as answer:
        return (await answer.json())["status"]["processed"]
