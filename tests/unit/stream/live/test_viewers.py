"""How many viewers there can be, and how many of one token."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stream.live import viewers as viewers_module
from stream.live.viewers import TooManyViewersError, Viewers


async def test_one_token_has_at_most_half_of_the_viewers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers_module, "checked_viewers_offer", lambda offer, codec: "offer")

    def submit(negotiation: Any) -> Future[str]:
        negotiation.close()
        return Future()

    peers, video = SimpleNamespace(config=SimpleNamespace(max_viewers=5), submit=submit), SimpleNamespace(codec="h264")
    viewers, waiting = Viewers(cast(Any, peers)), list[asyncio.Task[Any]]()

    async def view(owner: str) -> None:
        waiting.append(asyncio.create_task(viewers.view("door", cast(Any, video), b"", owner)))
        await asyncio.sleep(0)
        if waiting[-1].done():
            await waiting.pop()

    for owner in ("anna", "anna"):
        await view(owner)
    with pytest.raises(TooManyViewersError, match=r"at most 5 viewers can watch .*, 2 of them with one token"):
        await view("anna")
    for owner in ("ben", "", ""):
        await view(owner)
    with pytest.raises(TooManyViewersError):
        await view("")
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    await view("anna")
    assert len(viewers) == 5
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert len(viewers) == 0
