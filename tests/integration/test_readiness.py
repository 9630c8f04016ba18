"""The readiness of an engine while it starts."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from stages.free_model import FreeModel
from stream.engine import Engine
from support.engines.controlled_engine import PATTERN, configured


async def test_an_engine_is_not_ready_before_its_cameras_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(configured({"id": "a", "source": PATTERN}), model=FreeModel())
    began, go_on = asyncio.Event(), asyncio.Event()
    run = engine._load_model

    async def late(*arguments: Any) -> Any:
        model = await run(*arguments)
        began.set()
        await go_on.wait()
        return model

    monkeypatch.setattr(engine, "_load_model", late)
    starting = asyncio.create_task(engine.start())
    try:
        await began.wait()
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{engine.http_address}/readyz") as answer:
                assert (answer.status, (await answer.json())["reasons"]) == (
                    503,
                    ["cameras: those of the configuration are not started yet"],
                )
            go_on.set()
            await starting
            async with session.get(f"{engine.http_address}/readyz") as answer:
                assert answer.status == 200
    finally:
        go_on.set()
        await starting
        await engine.stop()
