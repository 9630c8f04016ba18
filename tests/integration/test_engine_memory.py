"""An engine halves batches that do not fit into the device's memory, and loses only frames that never fit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ring_buffers.frames import Lease
from stages.device.halving import TooLargeError
from stages.free_model import FreeModel
from stages.types import FrameAnalysis
from stream.config import Config
from stream.engine import Engine
from support.slow_work import slow_work
from support.waiting import until


class SmallCard(FreeModel):
    """Has room for two frames at once, and for every tenth frame never. Slow enough for batches to fill."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.sizes: list[int] = []

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        slow_work(0.01)
        self.sizes.append(len(frames))
        if len(frames) > 2 or any(lease.meta.frame % 10 == 9 for lease in frames):
            raise TooLargeError from MemoryError("device")
        self.seen += [lease.meta.frame for lease in frames]
        return super().process(frames)


async def test_batches_that_do_not_fit_are_halved_and_only_a_frame_that_never_fits_is_lost() -> None:
    config = Config.model_validate(
        {
            "cameras": [{"id": "hall", "source": "pattern:128x96@50", "pace": "fast", "ring_slots": 16}],
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": None},
            "batch": {"max_frames": 8},
        }
    )
    model = SmallCard()
    async with Engine(config, model=model) as engine:
        await until(lambda: len(model.seen) >= 60)
        page = engine.metrics.render().decode()
    assert max(model.sizes) > 2, "no batch was halved"
    last = model.seen[-1]
    assert model.seen == [frame for frame in range(last + 1) if frame % 10 != 9]
    lost = next(line for line in page.splitlines() if 'reason="stage_error"' in line)
    assert float(lost.split()[-1]) == pytest.approx(last // 10, abs=1)
    assert 'partstream_out_of_memory_total{stage="detection"}' in page
