"""Telling the coordinator of runs that ended or were started."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fleet.agent import ended_runs
from fleet.agent.ended_runs import EndedRuns
from support.ports import reserved_port


class Coordinator:
    """A server that answers with these statuses, then with 204."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[tuple[Any, str | None]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((await request.json(), request.headers.get("Authorization")))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)


@pytest.fixture
async def coordinator() -> AsyncIterator[tuple[Coordinator, str]]:
    coordinator = Coordinator()
    application = web.Application()
    application.router.add_post("/api/v1/fleet/engines", coordinator.answer)
    async with TestServer(application) as server:
        yield coordinator, f"http://127.0.0.1:{server.port}"


async def test_the_run_is_told_with_the_token(coordinator: tuple[Coordinator, str]) -> None:
    server, address = coordinator
    end = {"how": "exit code 1", "error": "it is in use", "log": "/var/a.log"}
    await EndedRuns(address, "secret", "node-1")("gpu-1", "a" * 32, end)
    await EndedRuns(address, None, "node-1")("gpu-1", "b" * 32, {})
    assert server.requests == [
        ({"engine": "gpu-1", "node": "node-1", "run": "a" * 32, **end}, "Bearer secret"),
        ({"engine": "gpu-1", "node": "node-1", "run": "b" * 32}, None),
    ]


async def test_a_coordinator_that_is_starting_is_told_again(coordinator: tuple[Coordinator, str]) -> None:
    server, address = coordinator
    server.statuses = [503, 500]
    await EndedRuns(address, None, "node-1")("gpu-1", "a" * 32, {})
    assert len(server.requests) == 3


async def test_a_refusal_is_logged_once_and_not_repeated(
    coordinator: tuple[Coordinator, str], caplog: pytest.LogCaptureFixture
) -> None:
    server, address = coordinator
    server.statuses = [401]
    await EndedRuns(address, None, "node-1")("gpu-1", "a" * 32, {})
    assert len(server.requests) == 1
    assert "refuses to be told that engine gpu-1 ended: 401" in caplog.text


async def test_a_coordinator_that_is_away_is_left_to_the_lease(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ended_runs, "TELL_FOR_S", 0.0)
    await EndedRuns(f"http://127.0.0.1:{reserved_port()}", None, "node-1")("gpu-1", "a" * 32, {})
    assert "could not be told that engine gpu-1 ended" in caplog.text


async def test_a_start_is_told_with_the_node_until_there_is_an_answer(
    coordinator: tuple[Coordinator, str], caplog: pytest.LogCaptureFixture
) -> None:
    server, address = coordinator
    server.statuses = [503, 401]
    await EndedRuns(address, None, "node-1").started("gpu-1", "a" * 32)
    body = {"engine": "gpu-1", "node": "node-1", "run": "a" * 32, "state": "started"}
    assert server.requests == [(body, None)] * 2
    assert not caplog.messages, "it is only not shown"


async def test_a_run_that_will_be_restarted_is_told_before(coordinator: tuple[Coordinator, str]) -> None:
    server, address = coordinator
    await EndedRuns(address, None, "node-1").restarting("gpu-1", "a" * 32)
    assert server.requests == [({"engine": "gpu-1", "run": "a" * 32, "state": "restarting"}, None)]


async def test_a_run_has_joined_when_the_coordinator_lists_it_and_it_is_not_lost() -> None:
    listed: list[dict[str, str]] = []

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"engines": listed})

    application = web.Application()
    application.router.add_get("/api/v1/fleet/engines", answer)
    async with TestServer(application) as server:
        runs = EndedRuns(f"http://127.0.0.1:{server.port}", None, "node-1")
        assert await runs.has_joined("gpu-1", "a") is False
        listed[:] = [{"engine": "gpu-1", "run": "a", "state": "lost"}]
        assert await runs.has_joined("gpu-1", "a") is False
        listed[:] = [{"engine": "gpu-1", "run": "a", "state": "leased"}]
        assert await runs.has_joined("gpu-1", "a") is True
        assert await runs.has_joined("gpu-1", "b") is False
    assert await EndedRuns(f"http://127.0.0.1:{reserved_port()}", None, "node-1").has_joined("gpu-1", "a") is None


@pytest.mark.parametrize("text", ["welcome", "{}", "[]", '{"engines": [{}]}', '{"engines": 1}'])
async def test_another_server_at_the_coordinators_address_does_not_tell_what_has_joined(text: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="application/json")

    application = web.Application()
    application.router.add_get("/api/v1/fleet/engines", answer)
    async with TestServer(application) as server:
        assert await EndedRuns(f"http://127.0.0.1:{server.port}", None, "node-1").has_joined("gpu-1", "a") is None


async def test_a_coordinator_of_an_earlier_release_is_told_only_that_the_run_ended(
    coordinator: tuple[Coordinator, str], caplog: pytest.LogCaptureFixture
) -> None:
    server, address = coordinator
    server.statuses = [422]
    await EndedRuns(address, None, "node-1")("gpu-1", "a" * 32, {"how": "exit code 1", "error": "", "log": "/a.log"})
    assert [body for body, _ in server.requests][1:] == [{"engine": "gpu-1", "run": "a" * 32}]
    assert not caplog.records
