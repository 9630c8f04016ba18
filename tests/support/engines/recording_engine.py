"""An engine that records clips, with a model whose only person acts as the test defines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import av

from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.types import ActionAnalysis, FrameAnalysis, PersonAnalysis
from stream import results
from stream.config import Config
from stream.engine import Engine
from stream.recording.clips import Clip
from stream.recording.recorder import Recorder
from support.engines.controlled_engine import PATIENT, Client, configured
from support.waiting import until

import aiohttp  # isort: skip

PATIENCE_S = 120.0


class Actor(FreeModel):
    """Detects one person whose action is `acts(media time in seconds)`, and no person where that is None."""

    def __init__(self, acts: Callable[[float], str | None]) -> None:
        super().__init__()
        self.acts = acts

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        return [self._analyse(lease.meta.media_us) for lease in frames]

    def _analyse(self, media_us: int) -> FrameAnalysis:
        label = self.acts(media_us / 1e6)
        if label is None:
            return FrameAnalysis(ended=[1])
        action = ActionAnalysis(label, 0.9, media_us, [(label, 0.9)], label, 0.9)
        return FrameAnalysis(people=[PersonAnalysis(1, (1.0, 2.0, 30.0, 40.0), 0.9, action, [])], tracks=1)


def between(begin_s: float, end_s: float, action: str = "fall") -> Callable[[float], str]:
    """Return actions for `Actor`: `action` between these times, `stand` otherwise."""
    return lambda at_s: action if begin_s <= at_s < end_s else "stand"


def recording(folder: Path, *cameras: dict[str, Any], privacy: dict[str, Any] | None = None, **settings: Any) -> Config:
    """Return the configuration of an engine that records these cameras, which by default lose no frame."""
    return configured(
        *({**PATIENT, **camera} for camera in cameras),
        recording={
            "directory": str(folder),
            "seconds_before": 1,
            "seconds_after": 0.5,
            "least_free": 0,
            "packet_seconds": PATIENCE_S + 60,
            **settings,
        },
        privacy=privacy or {},
    )


class Recorded:
    """A running engine, what it published, and its clips."""

    def __init__(self, engine: Engine, client: Client) -> None:
        assert engine.recorder is not None
        self.engine = engine
        self.client = client
        self.recorder: Recorder = engine.recorder
        self.frames: list[results.Frame] = []
        engine.publisher.on_message(self._take)

    def _take(self, topic: str, message: results.Message) -> None:
        if isinstance(message, results.Frame):
            self.frames.append(message)

    async def clip(self, number: int = 1) -> Clip:
        """Wait until there are `number` clips, and return the newest."""
        await until(lambda: len(self.recorder.library) >= number)
        return self.recorder.library.clips()[0]

    def failed(self, camera: str) -> dict[str, int]:
        """Return the numbers of this camera's events without a clip, by reason."""
        return dict(self.recorder.cameras[camera].counts.failed)


@asynccontextmanager
async def recorded(config: Config, acts: Callable[[float], str | None]) -> AsyncGenerator[Recorded]:
    """Run an engine that holds packets until their event is recorded, however late that is on a busy machine."""
    with mock.patch("stream.recording.recorder.LATE_S", PATIENCE_S):
        async with _running(config, acts) as engine:
            yield engine


@asynccontextmanager
async def _running(config: Config, acts: Callable[[float], str | None]) -> AsyncGenerator[Recorded]:
    async with (
        Engine(config, model=Actor(acts)) as engine,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
    ):
        assert engine.http_address is not None
        yield Recorded(engine, Client(session, engine.http_address))


def pictures(video: Path) -> list[tuple[int, str]]:
    """Return each decoded picture of a file: its time in µs, and a digest of its pixels."""
    with av.open(str(video)) as container:
        return [
            (round(frame.pts * frame.time_base * 1_000_000), hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest())
            for frame in container.decode(video=0)
        ]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
