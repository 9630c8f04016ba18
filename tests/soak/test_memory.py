"""Resident memory stays flat: over an hour's worth of frames, and over thousands of cameras that come and go.

A line is fitted through the second half of the samples. The whole 95 % interval of its slope must be below a bound.
"""

from __future__ import annotations

import asyncio
import os
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.stream import VideoStream

from benchmarks.cameras import clip
from stages.free_model import FreeModel
from stream.engine import Engine
from support.engines.controlled_engine import configured, running
from support.slopes import slope
from support.waiting import until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

FRAMES = 90_000
CAMERAS, AT_ONCE = 4_000, 8
SMALL = clip.Recipe(width=640, height=360, bits_per_second=500_000)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def most_growth(samples: list[tuple[int, int]]) -> float:
    """Return the upper end of the interval of bytes per unit, from (units done, resident bytes)."""
    half = samples[len(samples) // 2 :]
    found = slope([units for units, _ in half], [size for _, size in half])
    assert found is not None, len(half)
    return found.high


def long_film(path: Path, frames: int) -> None:
    """Write a film that repeats the clip of the benchmarks, without encoding it again."""
    taken = clip.prepared(SMALL)
    with av.open(str(taken.stream), format="h264") as source, av.open(str(path), "w") as target:
        packets = [bytes(packet) for packet in source.demux(video=0) if packet.size]
        copied = target.add_stream_from_template(source.streams.video[0])
        assert isinstance(copied, VideoStream)
        for number in range(frames):
            packet = av.Packet(packets[number % len(packets)])
            packet.pts = packet.dts = number
            packet.time_base = Fraction(1, taken.recipe.fps)
            packet.is_keyframe = number % taken.recipe.fps == 0
            packet.stream = copied
            target.mux(packet)


async def test_an_hour_of_frames_leaves_memory_flat(tmp_path: Path) -> None:
    film = tmp_path / "hour.mp4"
    long_film(film, FRAMES)
    config = configured({"id": "hour", "source": str(film), "pace": "fast"}, once=True)
    samples: list[tuple[int, int]] = []
    async with Engine(config, model=FreeModel()) as engine:
        finished = asyncio.create_task(engine.wait())
        while not finished.done():
            await asyncio.wait({finished}, timeout=0.2)
            samples.append((engine.stats().cameras[0].processed, resident_bytes()))
    assert samples[-1][0] == FRAMES
    assert most_growth(samples) < 100


async def test_cameras_that_were_removed_are_not_kept_in_memory() -> None:
    samples: list[tuple[int, int]] = []
    numbers = iter(range(CAMERAS))
    async with running(configured(http={"camera_schemes": ["pattern"]})) as (engine, client):

        async def come_and_go() -> None:
            for number in numbers:
                path = f"/api/v1/cameras/camera{number}"
                status, body, _ = await client.ask("PUT", path, json={"source": f"pattern:160x120@10.{number:04}"})
                assert status == 201, body
                await until(lambda path=path: has_result(path))
                assert (await client.ask("DELETE", path))[0] == 204
                samples.append((len(samples), resident_bytes()))

        async def has_result(path: str) -> bool:
            return (await client.ask("GET", f"{path}/result"))[0] == 200

        await asyncio.gather(*(come_and_go() for _ in range(AT_ONCE)))
        assert not engine.stats().cameras
        assert 'camera="camera' not in await client.get("/metrics")
    assert most_growth(samples) < 32_768
