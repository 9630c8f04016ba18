"""The cameras of a fleet: changes are checked, kept and refused, and privacy never becomes less strict."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet import cameras as cameras_module
from fleet.cameras import Cameras
from fleet.settings import FleetConfig
from fleet.store import Store, StoreError, camera_changed
from stream.cameras.changes import (
    NoCapacityError,
    NoSuchCameraError,
    NotSavedError,
    PrivateError,
    SettingsError,
)

RTSP = "rtsp://user:secret@10.0.0.7/1"
MASKS: dict[str, Any] = {"window": {"points": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]}}


@asynccontextmanager
async def opened(
    folder: Path, *configured: dict[str, Any], changed: Callable[[str], None] = lambda _: None, **more: Any
) -> AsyncIterator[Cameras]:
    """Yield the cameras of a controller that starts now, with the store that is there."""
    config = FleetConfig.model_validate({"cameras": [{"source": RTSP} | one for one in configured], **more})
    store = Store(folder / "fleet.db")
    kept = store.open()
    try:
        cameras = Cameras(config, store, changed)
        cameras.restore(kept)
        yield cameras
    finally:
        store.close()


async def test_changes_are_told_kept_and_replace_the_configuration_after_a_restart(tmp_path: Path) -> None:
    told: list[str] = []
    configured = ({"id": "a"}, {"id": "b"}, {"id": "d"})
    async with opened(tmp_path, *configured, changed=told.append) as cameras:
        assert await cameras.put("c", {"source": "pattern:"}) == (cameras.of("c"), True)
        assert await cameras.put("c", {"source": "pattern:"}) == (cameras.of("c"), False)
        assert (await cameras.patch("a", {"max_fps": 5})).source.reveal() == RTSP
        assert [await cameras.remove("b"), await cameras.remove("b")] == [True, False]
        assert told == ["c", "a", "b"], "what changes nothing is not told"
    async with opened(tmp_path, *configured) as cameras:
        assert list(cameras.all) == ["a", "d", "c"]
        assert cameras.of("a").for_engine() == {"source": RTSP, "max_fps": 5.0}


async def test_the_published_address_keeps_the_password_and_a_new_password_alone_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path, {"id": "a"}) as cameras:
        await cameras.put("a", {"source": "rtsp://10.0.0.7/1", "max_fps": 5})
        assert cameras.of("a").source.reveal() == RTSP
        await cameras.put("a", {"source": RTSP.replace("secret", "other")})
    async with opened(tmp_path, {"id": "a"}) as cameras:
        assert cameras.of("a").source.reveal() == RTSP.replace("secret", "other")


async def test_a_camera_that_is_as_configured_again_is_not_kept(tmp_path: Path) -> None:
    async with opened(tmp_path, {"id": "a"}, {"id": "b"}) as cameras:
        await cameras.patch("a", {"max_fps": 5})
        await cameras.patch("a", {"max_fps": None})
        await cameras.remove("b")
        await cameras.put("b", {"source": RTSP})
    store = Store(tmp_path / "fleet.db")
    assert store.open().cameras == {}
    store.close()


async def test_what_is_wrong_is_refused_with_the_setting_and_changes_nothing(tmp_path: Path) -> None:
    http = {"max_cameras": 2}
    broken = {"id": "b", "source": "pattern:nope"}
    async with opened(tmp_path, {"id": "a"}, broken, controller={"http": http}) as cameras:
        for settings, text in (
            ({"source": RTSP, "max_fps": -1}, "max_fps"),
            ({"source": "/etc/passwd"}, "other addresses need controller.http.camera_schemes"),
            ({"source": "pattern:nope"}, "'pattern:nope' is not a test pattern"),
            ({"source": "rtsps://h/1", "tls_certificates": "/etc/passwd"}, "tls_certificates: must name a file in"),
        ):
            with pytest.raises(SettingsError, match=text):
                await cameras.put("a", settings)
        with pytest.raises(SettingsError, match="id: "):
            await cameras.put("A", {"source": RTSP})
        with pytest.raises(NoCapacityError, match=r"2 cameras, the limit of controller\.http\.max_cameras"):
            await cameras.put("c", {"source": RTSP})
        with pytest.raises(NoSuchCameraError):
            await cameras.patch("c", {"max_fps": 5})
        assert (await cameras.patch("b", {"max_fps": 5})).max_fps == 5, "although no engine can open it"
        assert cameras.of("a").for_engine() == {"source": RTSP} and list(cameras.all) == ["a", "b"]


async def test_privacy_never_becomes_less_strict_also_after_removal_and_a_restart(tmp_path: Path) -> None:
    configured = {"id": "a", "privacy": "skeleton"}
    async with opened(tmp_path, configured) as cameras:
        await cameras.put("b", {"source": RTSP, "masks": MASKS})
        await cameras.remove("b")
        await cameras.remove("a")
    for more in ((), (configured,)):
        async with opened(tmp_path, *more) as cameras:
            with pytest.raises(PrivateError):
                await cameras.put("b", {"source": "rtsp://10.0.0.9/other"})
            assert (await cameras.put("b", {"source": RTSP, "masks": MASKS}))[1]
            await cameras.remove("b")
    async with opened(tmp_path, configured) as cameras:
        with pytest.raises(PrivateError):
            await cameras.put("a", {"source": RTSP})


async def test_a_fleet_that_hides_all_cameras_can_have_as_many_as_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras_module, "MOST_KNOWN", 2)
    of_all: dict[str, Any] = {"controller": {"http": {"max_cameras": 3}}, "engine": {"privacy": {"mode": "skeleton"}}}
    async with opened(tmp_path, {"id": "c0"}, {"id": "c1"}, **of_all) as cameras:
        for number in range(2, 6):
            assert (await cameras.put(f"c{number}", {"source": RTSP}))[0].privacy == "skeleton"
            await cameras.remove(f"c{number}")
        with pytest.raises(PrivateError, match="6 remembered cameras"):
            await cameras.put("c6", {"source": RTSP})


@pytest.mark.parametrize("configured", [(), ({"id": "a"},)])
async def test_a_camera_whose_kept_settings_are_not_valid_is_left_out_until_they_are_replaced(
    tmp_path: Path, configured: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "fleet.db")
    store.open()
    store.write([camera_changed("a", {"source": RTSP, "gone": 1})])
    store.close()
    async with opened(tmp_path, *configured) as cameras:
        assert not cameras.all
        assert "camera a: it is left out" in caplog.text and "secret" not in caplog.text
        await cameras.put("a", {"source": RTSP})
    async with opened(tmp_path, *configured) as cameras:
        assert list(cameras.all) == ["a"]


async def test_a_change_that_cannot_be_written_is_refused_and_one_whose_caller_has_gone_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, {"id": "a"}) as cameras:
        write = cameras._store.write
        may_write = threading.Event()

        def full(statements: object) -> None:
            raise StoreError("database or disk is full")

        def slow(statements: Any) -> None:
            may_write.wait()
            write(statements)

        monkeypatch.setattr(cameras._store, "write", full)
        for change in (cameras.patch("a", {"max_fps": 5}), cameras.remove("a"), cameras.put("b", {"source": RTSP})):
            with pytest.raises(NotSavedError, match=r"controller\.store can't be written: .*full; nothing was changed"):
                await change
        assert cameras.of("a").max_fps is None and list(cameras.all) == ["a"]
        monkeypatch.setattr(cameras._store, "write", slow)
        waiting = asyncio.create_task(cameras.patch("a", {"max_fps": 5}))
        next_one = asyncio.create_task(cameras.patch("a", {"staleness_ms": 300}))
        await asyncio.sleep(0)
        waiting.cancel()
        may_write.set()
        camera = await next_one
        assert (camera.max_fps, camera.staleness_ms) == (5.0, 300)
