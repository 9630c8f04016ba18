"""How many viewers there can be, and how many of one token."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

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


def test_a_viewer_replaces_the_oldest_one_that_has_not_connected() -> None:
    sessions = [mock.Mock(connected=connected) for connected in (True, False, False)]
    viewers = Viewers(cast(Any, SimpleNamespace(config=SimpleNamespace(max_viewers=3))))
    for number, session in enumerate(sessions):
        viewers._sessions["door", str(number)], viewers._owners["door", str(number)] = session, ""
    viewers._make_room("")
    assert [session.close_soon.called for session in sessions] == [False, True, False]
    assert list(viewers._sessions) == [("door", "0"), ("door", "2")]
