"""Results, metrics and status agree on what the detector looked at, in a scene that somebody enters."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import aiohttp
import av
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stages.looks import LookKind
from stages.settings import ModelSettings, PipelineSettings, WindowSettings
from stream.cameras.look_counts import KINDS, in_words
from stream.engine import Engine
from stream.results import Frame
from support.engines.controlled_engine import Client
from support.engines.running_engine import configured, frames_of, messages_until
from support.models.bright_people import BACKGROUND, BRIGHT, SIZE, bright_pipeline
from support.waiting import until

EMPTY, WALKING, RATE = 75, 75, 25
"""Frames without and then with a person, and frames per second: twice as many as are detected."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an empty scene, in which a bright person then walks from left to right."""
    path = tmp_path_factory.mktemp("scene") / "hall.mp4"
    width, height = SIZE
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(EMPTY + WALKING):
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = BACKGROUND
            if number >= EMPTY:
                left = 20 + 8 * (number - EMPTY)
                planes[200:320, left : left + 40] = BRIGHT
            picture = av.VideoFrame.from_ndarray(planes, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@asynccontextmanager
async def analysed(clip: Path) -> AsyncGenerator[tuple[list[Frame], Engine]]:
    """Analyse the clip, and yield its results with the engine, which still runs."""
    model, _ = bright_pipeline(
        PipelineSettings(model=ModelSettings(detection="regions"), window=WindowSettings(steps=12))
    )
    publish = {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", "stats_interval_s": 3600}
    config = configured({"id": "hall", "source": str(clip), "pace": "fast"}, publish=publish)
    async with Engine(config, model=model) as engine:
        seen = await messages_until(engine, lambda seen: len(frames_of(seen, "hall")) == EMPTY + WALKING)
        looks = engine.cameras.running["hall"].looks
        await until(lambda: sum(looks.frames.values()) == EMPTY + WALKING)  # counted after publishing
        yield frames_of(seen, "hall"), engine


async def test_every_frame_is_counted_by_its_look_and_the_status_tells_it_in_words(clip: Path) -> None:
    async with analysed(clip) as (frames, engine):
        assert engine.http_address is not None
        async with aiohttp.ClientSession() as session:
            status = (await Client(session, engine.http_address).get("/api/v1/cameras/hall"))["status"]
        page = {
            (sample.name.removeprefix("partstream_"), *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(engine.metrics.render().decode())
            for sample in family.samples
        }
    counted = Counter(frame.look for frame in frames)
    looks: dict[LookKind, int] = {kind: counted[kind] for kind in KINDS}
    assert all(looks.values()), "the scene has all kinds of looks"
    assert {kind: page["frame_looks_total", "hall", kind] for kind in KINDS} == looks
    assert page["frames_processed_total", "hall"] == sum(looks.values())
    assert page["frame_regions_total", "hall"] == sum(len(frame.regions) for frame in frames) >= looks["regions"]
    assert status["looks"] == looks
    assert status["detection"] == in_words(looks)
    assert "of frames" in status["detection"]


async def test_people_are_not_detected_and_take_no_step_in_frames_that_were_not_looked_at(clip: Path) -> None:
    async with analysed(clip) as (frames, _):
        pass
    steps = 0
    for before, frame in pairwise(frames):
        looked_at = frame.look in ("whole", "regions")
        assert all(person.detected == looked_at for person in frame.people)
        actions = {person.track: person.action for person in before.people}
        for person in frame.people:
            if not looked_at:
                assert person.action == actions[person.track], "the state took no step"
            steps += looked_at
    assert steps > WALKING / 4
    assert {frame.look for frame in frames[2:EMPTY]} == {"nothing"}
    assert all(frame.people for frame in frames[EMPTY + 10 :])


async def test_every_person_detected_in_regions_is_inside_one_of_them(clip: Path) -> None:
    async with analysed(clip) as (frames, _):
        pass
    checked = 0
    for frame in frames:
        assert bool(frame.regions) == (frame.look == "regions")
        for x1, y1, x2, y2 in frame.regions:
            assert 0 <= x1 < x2 <= SIZE[0] and 0 <= y1 < y2 <= SIZE[1]
        for person in frame.people if frame.regions else []:
            left, top, right, bottom = person.box
            checked += 1
            assert any(
                x1 <= left + 2 and y1 <= top + 2 and right - 2 <= x2 and bottom - 2 <= y2
                for x1, y1, x2, y2 in frame.regions
            )
    assert checked > WALKING / 4
