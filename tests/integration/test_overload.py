"""A machine that is too slow for its cameras: the engine eases the model, says so everywhere, and restores it."""

from __future__ import annotations

import logging

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream import results
from stream.engine import Engine
from support.engines.controlled_engine import Client
from support.engines.eased_model import EasedModel
from support.engines.running_engine import configured, frames_of, messages_until, pattern
from support.waiting import until

DETECTION_S = 0.1
"""Five times as long as there is between two frames of the cameras here."""
LIVE = {"staleness_ms": 500, "ring_slots": 8}


def measured(page: str) -> dict[str, float]:
    """Return the gauges about overload on a metrics page."""
    families = {family.name: family for family in text_string_to_metric_families(page)}
    names = ("partstream_ease_level", "partstream_overloaded")
    return {name: families[name].samples[0].value for name in names}


async def loses_nothing(engine: Engine, frames: int) -> None:
    """Wait until the engine's camera has had this many results in a row without a drop."""
    before = engine.stats().cameras[0]

    def enough() -> bool:
        nonlocal before
        now = engine.stats().cameras[0]
        if now.dropped != before.dropped:
            before = now
        return now.processed - before.processed >= frames

    await until(enough)


async def test_a_slow_model_is_eased_until_no_frame_is_lost_and_restored_when_it_is_fast(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.inference.load_control.HOLD_S", 0.5)
    caplog.set_level(logging.INFO, "stream.inference.load_watch")
    model = EasedModel(DETECTION_S)
    async with Engine(configured(pattern("door", **LIVE)), model=model) as engine, aiohttp.ClientSession() as session:
        client = Client(session, engine.http_address or "")
        assert engine.stats().load == results.Load(0, 2, False, None, None)
        await until(lambda: engine.stats().load.ease_level == 2)
        await loses_nothing(engine, 30)
        load = results.Load(2, 2, False, 2.0, None)
        seen = await messages_until(engine, lambda seen: isinstance(seen[-1], results.Stats))
        assert isinstance(seen[-1], results.Stats) and seen[-1].load == load
        status = await client.get("/api/v1/status")
        assert status["load"] == {
            "ease_level": 2,
            "max_ease_level": 2,
            "overloaded": False,
            "detections_per_second": 2.0,
            "detector_side": None,
        }
        assert measured(await client.get("/metrics")) == {"partstream_ease_level": 2, "partstream_overloaded": 0}
        assert "ease level 2 of 2: at most 2 detections per second and camera" in caplog.text
        model.detection_s = 0.0
        await until(lambda: engine.stats().load.ease_level == 0)
        await until(lambda: model.calls[-1] == (0, set()))
        assert measured(await client.get("/metrics")) == {"partstream_ease_level": 0, "partstream_overloaded": 0}
        assert "full quality again" in caplog.text


async def test_with_overload_drop_frames_are_dropped_and_the_model_is_never_eased() -> None:
    model = EasedModel(DETECTION_S)
    async with Engine(configured(pattern("door", **LIVE), overload="drop"), model=model) as engine:
        await until(lambda: engine.stats().load == results.Load(0, 0, True, None, None))
        await until(lambda: engine.stats().cameras[0].dropped)
        assert model.calls == []


async def test_sources_that_wait_for_the_engine_never_ease_the_model_and_are_spared_when_others_do() -> None:
    model = EasedModel(DETECTION_S / 4)
    film = pattern("film", pace="fast")
    async with Engine(configured(film), model=model) as engine:
        seen = await messages_until(engine, lambda seen: len(frames_of(seen, "film")) >= 50)
        assert engine.stats().load == results.Load(0, 2, False, None, None)
        assert model.calls == []
        frames = [frame.frame for frame in frames_of(seen, "film")]
        assert frames == list(range(frames[0], frames[0] + len(frames)))
    model = EasedModel(DETECTION_S)
    async with Engine(configured(film, pattern("door", **LIVE)), model=model) as engine:
        await until(lambda: model.calls)
        assert all(spared == {"film"} for _, spared in model.calls)
