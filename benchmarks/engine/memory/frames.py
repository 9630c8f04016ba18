"""Growth of resident memory over an hour's worth of frames, and over minutes with the real model.

Each measurement runs the engine in this process and samples its resident memory once a second. The slope is fitted
through the second half of the samples, with its 95 % interval.
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
from av.video.stream import VideoStream

from benchmarks.cameras import clip as clips
from benchmarks.slopes import slope
from stages.types import Model
from stream.config import Config
from stream.engine import Engine

SMALL = clips.Recipe(width=640, height=360, bits_per_second=500_000)
"""An hour takes 230 MB; at 720p it would be 1.4 GB."""
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class MemoryRun:
    """Figures of a run. Slopes are least-squares fits through the second half of the samples."""

    what: str
    frames: int
    seconds: float
    resident_mib_at_start: float
    resident_mib_at_end: float
    resident_mib_most: float
    slope_mib_per_1000_frames: float
    slope_mib_per_1000_frames_interval: tuple[float, float]
    slope_mib_per_hour: float
    slope_mib_per_hour_interval: tuple[float, float]
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
    """Fit the slopes. `samples`: (seconds, frames processed, resident MiB) in order; ValueError for too few."""
    half = samples[len(samples) // 2 :]
    seconds, frames, resident = ([sample[column] for sample in half] for column in range(3))
    per_hour = slope([second / 3600 for second in seconds], resident)
    per_frames = slope([frame / 1000 for frame in frames], resident)
    if per_hour is None or per_frames is None:
        raise ValueError(f"{what}: {len(samples)} samples are too few for a slope; run it longer")
    return MemoryRun(
        what=what,
        frames=samples[-1][1],
        seconds=round(samples[-1][0], 1),
        resident_mib_at_start=round(resident[0], 2),
        resident_mib_at_end=round(resident[-1], 2),
        resident_mib_most=round(max(sample[2] for sample in samples), 2),
        slope_mib_per_1000_frames=round(per_frames.estimate, 5),
        slope_mib_per_1000_frames_interval=(round(per_frames.low, 5), round(per_frames.high, 5)),
        slope_mib_per_hour=round(per_hour.estimate, 3),
        slope_mib_per_hour_interval=(round(per_hour.low, 3), round(per_hour.high, 3)),
        samples=len(half),
        decoded=decoded,
        dropped=dropped,
    )
