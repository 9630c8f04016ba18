"""A replay server that does not answer for a while, as its clients see it."""

from __future__ import annotations

from typing import Any

import pytest

from stream.messaging.replay_client import ReplayClient, ReplayUnavailableError


class Replay:
    """The replay client, which gets no answer while `away`. Requests are repeated soon."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, away: bool = False) -> None:
        self.away = away
        self.asked = 0
        original = ReplayClient.fetch

        async def fetch(client: ReplayClient, *values: Any) -> Any:
            if self.away:
                self.asked += 1
                raise ReplayUnavailableError("no answer")
            return await original(client, *values)

        monkeypatch.setattr(ReplayClient, "fetch", fetch)
        monkeypatch.setattr("stream.messaging.gap_filling.REPLAY_RETRY_S", 0.01)
        monkeypatch.setattr("stream.messaging.gap_filling.REPEAT_S", 0.01)
