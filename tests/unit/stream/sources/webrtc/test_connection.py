"""The end of a WebRTC connection."""

from __future__ import annotations

import asyncio

import pytest

from stream.sources.webrtc import connection
from stream.sources.webrtc.connection import Connection
from stream.sources.webrtc.end_reason import EndReason
from stream.sources.webrtc.ice_servers import IceServers


class Idle(Connection):
    """A connection without media."""

    def _stop_handing_over(self, reason: EndReason) -> None:
        pass


async def test_a_peer_that_does_not_close_in_time_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "CLOSE_WITHIN_S", 0.01)
    closed: list[Connection] = []
    idle = Idle(IceServers([]), closed.append)
    cancelled = asyncio.Event()
    close = idle._peer.close

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    monkeypatch.setattr(idle._peer, "close", never)
    await idle.end("left")
    assert cancelled.is_set()
    assert closed == [idle]
    assert "did not close within" in caplog.text
    await close()


async def test_a_peer_that_fails_to_close_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[Connection] = []
    idle = Idle(IceServers([]), closed.append)
    close = idle._peer.close

    async def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(idle._peer, "close", broken)
    await idle.end("left")
    assert closed == [idle]
    assert "closing a WebRTC connection failed: ZeroDivisionError" in caplog.text
    await close()
