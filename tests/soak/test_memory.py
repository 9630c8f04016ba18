"""Resident memory stays flat: an hour's worth of frames through the engine, and ten minutes with the real model.

`make soak` runs these; their figures are written to build/benchmarks/memory.json.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.cameras import clip
from benchmarks.engine.memory.frames import MemoryRun, long_file, measure
from benchmarks.engine.memory.recorded import record
from stages.free_model import FreeModel
from stages.third_party import weights
from stream.config import Config
from support.repository import REPOSITORY

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

RESULTS = REPOSITORY / "build" / "benchmarks" / "memory.json"
HOUR_OF_FRAMES = 90_000
TEN_MINUTES = 600.0
HISTORY = 100
"""Messages kept for replay: full within the first minute, so that filling it is not taken for growth."""


def configured(*cameras: dict[str, Any], **settings: Any) -> Config:
    return Config.model_validate(
        {
            "cameras": list(cameras),
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", "history_messages": HISTORY},
            "http": {"bind": "127.0.0.1:0"},
            **settings,
        }
    )


def recorded(run: MemoryRun) -> MemoryRun:
    """Write the figures beside those of the other run, whatever they are."""
    record(RESULTS, run.to_dict())
    print(json.dumps(run.to_dict(), indent=1))
    return run


async def test_an_hour_of_frames_leaves_memory_flat() -> None:
    video = long_file(HOUR_OF_FRAMES, clip.cache_folder())
    camera = {"id": "hour", "source": str(video), "pace": "fast"}
    run = recorded(
        await measure("90,000 frames, free model", configured(camera, once=True), model=FreeModel(), progress=print)
    )
    assert run.frames == HOUR_OF_FRAMES
    assert run.slope_mib_per_1000_frames_interval[1] < 0.1


async def test_ten_minutes_of_the_real_model_leave_memory_flat() -> None:
    camera = {"id": "street", "source": str(weights.locate("vtest", "vtest.avi")), "pace": "loop"}
    run = recorded(await measure("10 minutes, edge", configured(camera), seconds=TEN_MINUTES, progress=print))
    assert run.frames > 500
    assert run.slope_mib_per_hour_interval[1] < 60
