"""The cameras of a fleet: changes are kept, and privacy never becomes less strict."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet.cameras import Cameras
from fleet.settings import FleetConfig
from fleet.store import Store, camera_kept
from stream.cameras.changes import NotSavedError, PrivateError
from support.waiting import settle

RTSP = "rtsp://user:secret@10.0.0.7/1"
MASKS: dict[str, Any] = {"window": {"points": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]}}


@asynccontextmanager
async def opened(
    folder: Path, *configured: dict[str, Any], changed: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Cameras]:
    """Yield the cameras of a controller that starts now, with the store that is there."""
    config = FleetConfig.model_validate({"cameras": [{"source": RTSP} | one for one in configured]})
    store = Store(folder / "fleet.db")
    kept = store.open()
    try:
        cameras = Cameras(config, store, changed)
        cameras.restore(kept)
        yield cameras
    finally:
        store.close()


async def test_changes_are_reported_kept_and_replace_the_configuration_until_they_are_undone(tmp_path: Path) -> None:
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
        await cameras.put("a", {"source": "rtsp://10.0.0.7/1"})  # as it is published, without the password
    async with opened(tmp_path, {"id": "a", "staleness_ms": 300}) as cameras:
        assert cameras.of("a").source.reveal() == RTSP
        assert cameras.of("a").staleness_ms == 300, "as it is configured now"
        await cameras.put("a", {"source": RTSP.replace("secret", "other")})
    async with opened(tmp_path, {"id": "a"}) as cameras:
        assert cameras.of("a").source.reveal() == RTSP.replace("secret", "other"), "a new password is a change"


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


async def test_what_is_hidden_is_kept_once_also_if_masks_are_renamed_or_cover_more(tmp_path: Path) -> None:
    whole = {"points": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]}
    async with opened(tmp_path) as cameras:
        for masks in (MASKS, {"renamed": MASKS["window"]}, {"whole": whole}):
            await cameras.put("a", {"source": RTSP, "masks": masks})
        cameras._store.close()
        with pytest.raises(NotSavedError):
            await cameras.put("b", {"source": RTSP, "masks": MASKS})
        assert not cameras.privacy.known("b")
    assert [list(one["masks"]) for one in Store(tmp_path / "fleet.db").open().hidden] == [["whole"]]


async def test_a_camera_whose_kept_settings_are_not_valid_is_left_out_until_they_are_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "fleet.db")
    store.open()
    store.write([camera_kept("a", {"source": RTSP, "gone": 1}, None)])
    store.close()
    async with opened(tmp_path, {"id": "a"}) as cameras:
        assert not cameras.all
        assert "camera a: it is left out" in caplog.text and "secret" not in caplog.text
        await cameras.put("a", {"source": RTSP})
    async with opened(tmp_path, {"id": "a"}) as cameras:
        assert list(cameras.all) == ["a"]


async def test_a_change_is_finished_also_if_its_caller_has_gone_and_the_next_one_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, {"id": "a"}) as cameras:
        write, may_write = Store.write, threading.Event()
        monkeypatch.setattr(Store, "write", lambda store, rows: (may_write.wait(), write(store, rows)))
        waiting = asyncio.create_task(cameras.patch("a", {"max_fps": 5}))
        next_one = asyncio.create_task(cameras.patch("a", {"staleness_ms": 300}))
        await settle()
        waiting.cancel()
        unwritten = cameras.of("a").max_fps
        may_write.set()
        camera = await next_one
        assert (unwritten, camera.max_fps, camera.staleness_ms) == (None, 5.0, 300)
