"""Growth of resident memory over an hour's worth of frames, and over minutes with the real model.

Each measurement runs the engine in this process and samples its resident memory once a second. The slope is fitted
after the first minute or, for shorter runs, after the first third.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream

from benchmarks.cameras import clip as clips
from stages.types import Model
from stream.config import Config
from stream.engine import Engine

WARM_UP_S = 60.0
SMALL = clips.Recipe(width=640, height=360, bits_per_second=500_000)
"""An hour takes 230 MB; at 720p it would be 1.4 GB."""
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class MemoryRun:
    """Figures of a run. Slopes are least-squares fits through the samples after the warm-up."""

    what: str
    frames: int
    seconds: float
    resident_mib_at_start: float
    resident_mib_at_end: float
    resident_mib_most: float
    slope_mib_per_1000_frames: float
    slope_mib_per_hour: float
    samples: int
    decoded: int
    dropped: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def long_file(frames: int, folder: Path) -> Path:
    """Return an MP4 file with `frames` frames: the benchmark's clip repeated, without encoding it again."""
    clip = clips.prepared(SMALL)
    path = folder / f"long-{clip.recipe.key}-{frames}.mp4"
    if path.exists():
        return path
    unfinished = path.with_suffix(".part.mp4")
    step = Fraction(1, clip.recipe.fps)
    with av.open(str(clip.stream), format="h264") as source, av.open(str(unfinished), "w") as target:
        pictures = source.streams.video[0]
        packets = [bytes(packet) for packet in source.demux(pictures) if packet.size]
        copied = target.add_stream_from_template(pictures)
        assert isinstance(copied, VideoStream)
        for number in range(frames):
            packet = av.Packet(packets[number % len(packets)])
            packet.pts = packet.dts = number
            packet.time_base = step
            packet.is_keyframe = number % clip.recipe.fps == 0
            packet.stream = copied
            target.mux(packet)
    unfinished.rename(path)
    return path


def resident_mib() -> float:
    """Return the resident memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


async def measure(
    what: str,
    config: Config,
    *,
    model: Model | None = None,
    seconds: float | None = None,
    progress: Callable[[str], None],
) -> MemoryRun:
    """Run the engine until its sources end or for `seconds`, and sample memory. `what` names the run."""
    samples: list[tuple[float, int, float]] = []
    gc.collect()
    async with Engine(config, model=model) as engine:
        started = time.monotonic()
        finished = asyncio.create_task(engine.wait())
        while not finished.done() and (seconds is None or time.monotonic() - started < seconds):
            await asyncio.wait({finished}, timeout=1.0)
            processed = sum(camera.processed for camera in engine.stats().cameras)
            samples.append((time.monotonic() - started, processed, resident_mib()))
            if len(samples) % 30 == 0:
                progress(f"{what}: {processed} frames, {samples[-1][2]:.0f} MiB")
        finished.cancel()
        cameras = engine.stats().cameras
    return summarise(
        what,
        samples,
        decoded=sum(camera.decoded for camera in cameras),
        dropped={
            reason: sum(camera.dropped.get(reason, 0) for camera in cameras)
            for reason in sorted({reason for camera in cameras for reason in camera.dropped})
        },
    )


def summarise(what: str, samples: list[tuple[float, int, float]], decoded: int, dropped: dict[str, int]) -> MemoryRun:
    """Fit the slopes. `samples`: (seconds, frames processed, resident MiB) in order; at least six, else ValueError."""
    if len(samples) < 6:
        raise ValueError(f"{what}: {len(samples)} samples are too few for a slope; run it longer")
    seconds, frames, resident = (np.array(column, dtype=np.float64) for column in zip(*samples))
    settled = seconds >= min(WARM_UP_S, seconds[-1] / 3)
    per_frame = np.polyfit(frames[settled], resident[settled], 1)[0] if np.ptp(frames[settled]) else 0.0
    per_second = np.polyfit(seconds[settled], resident[settled], 1)[0]
    return MemoryRun(
        what=what,
        frames=int(frames[-1]),
        seconds=round(float(seconds[-1]), 1),
        resident_mib_at_start=round(float(resident[settled][0]), 2),
        resident_mib_at_end=round(float(resident[-1]), 2),
        resident_mib_most=round(float(resident.max()), 2),
        slope_mib_per_1000_frames=round(float(per_frame) * 1000, 5),
        slope_mib_per_hour=round(float(per_second) * 3600, 3),
        samples=int(settled.sum()),
        decoded=decoded,
        dropped=dropped,
    )
