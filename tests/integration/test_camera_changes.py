"""Changing a camera while the engine runs affects only that camera and never reuses an epoch."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from stages.free_model import FreeModel
from stream import results
from stream.cameras import registry
from stream.cameras.registry import LastEpochs, differences
from stream.engine import Engine
from stream.settings.engine import CameraConfig
from support.engines.running_engine import configured, frames_of, messages_until, pattern
from support.waiting import PATIENCE_S, settle, until


def camera(name: str, **settings: Any) -> CameraConfig:
    return CameraConfig.model_validate(pattern(name, **settings))


async def test_a_new_rate_applies_at_once_and_the_epoch_continues() -> None:
    async with Engine(configured(pattern("a")), model=FreeModel()) as engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 10)
        await engine.cameras.change(camera("a", max_fps=10.0, staleness_ms=2000))
        decoded = engine.cameras.running["a"].ring.counts().decoded

        def later(seen: list[results.Message]) -> list[results.Frame]:
            """Return the frames that were decoded after the change."""
            return [frame for frame in frames_of(seen, "a") if frame.frame > decoded]

        seen = await messages_until(engine, lambda seen: len(later(seen)) >= 6)
        steps = [after.media_time_us - before.media_time_us for before, after in pairwise(later(seen))]
        assert min(steps) >= 95_000
        assert {frame.epoch for frame in frames_of(seen, "a")} == {1}
        assert engine.stats().cameras[0].dropped["rate_limited"] > 0


async def test_a_setting_that_needs_a_restart_restarts_only_this_camera_in_a_new_epoch() -> None:
    async with Engine(configured(pattern("a"), pattern("stays")), model=FreeModel()) as engine:

        def enough(seen: list[results.Message]) -> bool:
            return len(frames_of(seen, "stays")) >= 120 and any(frame.epoch == 2 for frame in frames_of(seen, "a"))

        reading = asyncio.create_task(messages_until(engine, enough))
        await until(lambda: engine.cameras.running["a"].ring.processed > 5)
        await engine.cameras.change(CameraConfig.model_validate({"id": "a", "source": "pattern:320x240@50"}))
        seen = await reading
        assert next(frame.size for frame in frames_of(seen, "a") if frame.epoch == 2) == (320, 240)
        assert {frame.epoch for frame in frames_of(seen, "a")} == {1, 2}
        numbers = [frame.frame for frame in frames_of(seen, "stays")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert "removed" not in {message.state for message in seen if isinstance(message, results.Status)}


async def test_the_memory_of_a_removed_cameras_ring_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[bool] = []
    monkeypatch.setattr(registry, "give_back", lambda: freed.append(True))
    async with Engine(configured(pattern("a")), model=FreeModel()) as engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 5)
        ring = engine.cameras.running["a"].ring
        assert ring.nbytes > 0
        reader = engine.cameras.running["a"].reader
        # The thread that reads the camera may end at once, and close the ring itself.
        monkeypatch.setattr(reader, "stop", lambda stop=reader.stop: (stop(), reader.join(PATIENCE_S)))
        await engine.cameras.remove("a")
        assert (ring.nbytes, freed) == (0, [True])


async def test_the_same_settings_again_change_nothing() -> None:
    async with Engine(configured(pattern("a")), model=FreeModel()) as engine:
        ring = engine.cameras.running["a"].ring
        await engine.cameras.change(camera("a"))
        assert engine.cameras.running["a"].ring is ring


async def test_a_disabled_camera_is_listed_and_not_read_until_enabled() -> None:
    async with Engine(configured(pattern("a"), pattern("b", enabled=False)), model=FreeModel()) as engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 5)
        await engine.cameras.change(camera("a", enabled=False))
        status = engine.cameras.status("a")
        assert (status.state, status.reason, status.epoch) == ("ended", "disabled", 1)
        assert list(engine.cameras.configs) == ["a", "b"] and not engine.cameras.running
        assert b'camera_state{camera="a"' not in engine.metrics.render()
        await engine.cameras.change(camera("b"))
        await engine.cameras.change(camera("a"))
        seen = await messages_until(
            engine, lambda seen: len(frames_of(seen, "a")) >= 2 and len(frames_of(seen, "b")) >= 2
        )
        assert {frame.epoch for frame in frames_of(seen, "a")} == {2}
        assert {frame.epoch for frame in frames_of(seen, "b")} == {1}


async def test_a_failing_camera_does_not_stop_an_engine_that_started_without_cameras() -> None:
    async with Engine(configured(), model=FreeModel()) as engine:
        engine.cameras.add(CameraConfig.model_validate({"id": "a", "source": "/absent.mp4"}))
        await until(lambda: engine.cameras.status("a").state == "ended")
        waiting = asyncio.create_task(engine.wait())
        await settle()
        assert not waiting.done()
        waiting.cancel()


async def test_an_unknown_camera_cannot_be_changed() -> None:
    async with Engine(configured(), model=FreeModel()) as engine:
        with pytest.raises(KeyError):
            await engine.cameras.change(camera("nobody"))


def test_another_password_is_a_difference_although_addresses_print_the_same() -> None:
    one, other = ({"id": "a", "source": f"rtsp://u:{word}@h/x"} for word in ("one", "two"))
    assert differences(CameraConfig.model_validate(one), CameraConfig.model_validate(other)) == {"source"}


def test_epochs_are_never_reused_even_with_more_cameras_than_are_remembered() -> None:
    epochs = LastEpochs(remembered=3)
    for number, camera_id in enumerate("abcdef", start=1):
        assert epochs.of(camera_id) <= number
        epochs.ended(camera_id, number)
    assert all(epochs.of(camera_id) >= number for number, camera_id in enumerate("abcdef", start=1))
    assert epochs.of("new") == 3
