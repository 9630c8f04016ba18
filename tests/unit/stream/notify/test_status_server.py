"""Tests of the server of metrics and health beside the engine: its connections, and who can reach it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import pytest

from stream.http.server import connections
from stream.http.server.connections import Connections
from stream.notify.status_server import StatusServer
from stream.settings.config_error import ConfigError
from support.engines.invalid_requests import INVALID_REQUESTS, UNMET, answer_to, check_plain
from support.waiting import until


@asynccontextmanager
async def serving(address: str = "127.0.0.1:0") -> AsyncIterator[StatusServer]:
    server = StatusServer(address, Connections(0), dict, lambda: [])
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def unfinished(server: StatusServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, and send the beginning of a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.address).port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: ")
    return reader, writer


def opened(server: StatusServer) -> int:
    assert server._runner is not None and server._runner.server is not None
    return len(server._runner.server.connections)


async def answers(server: StatusServer, path: str = "/healthz") -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(server.address + path) as response:
        assert response.headers["Connection"] == "close"
        return response.status, await response.text()


async def test_metrics_and_health_are_answered_each_on_a_connection_of_its_own() -> None:
    async with serving() as server:
        assert await answers(server) == (200, '{"ok": true, "errors": []}')
        status, page = await answers(server, "/metrics")
        assert status == 200 and "process_open_fds" in page


async def test_a_request_that_is_never_finished_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 0.05)
    async with serving() as server:
        reader, writer = await unfinished(server)
        with pytest.raises(ConnectionError):
            while await reader.read(1000):
                pass
            raise ConnectionError
        writer.close()


async def test_further_connections_are_refused_until_some_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    async with serving() as server:
        kept = [await unfinished(server) for _ in range(3)]
        await until(lambda: opened(server) == 3)
        with pytest.raises(aiohttp.ClientError):
            await answers(server)
        for _, writer in kept:
            writer.close()
        await until(lambda: not opened(server))
        assert (await answers(server))[0] == 200


async def test_answers_to_what_is_not_valid_http_repeat_nothing_and_are_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as server:
        for request in INVALID_REQUESTS.values():
            check_plain(await answer_to(server.address, request), 400)
        check_plain(await answer_to(server.address, UNMET), 417)
        check_plain(await answer_to(server.address, b"GET /SECRET HTTP/1.1\r\nHost: x\r\n\r\n"), 404)
        assert server._connections.refused["not-http"] == len(INVALID_REQUESTS)
    assert "SECRET" not in caplog.text and "Traceback" not in caplog.text
    assert len([text for text in caplog.messages if "not valid HTTP" in text]) == 1


@pytest.mark.parametrize(("address", "warned"), [("127.0.0.1:0", False), ("localhost:0", False), ("0.0.0.0:0", True)])
async def test_an_address_that_others_can_reach_is_logged(
    address: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with serving(address) as server:
            expected = [f"metrics: anyone who can reach {server.address} can read the metrics"] if warned else []
            assert [record.message for record in caplog.records] == expected


async def test_an_unknown_host_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(ConfigError, match=r"metrics: no\.such\.host\.invalid:0 can't be bound: "):
        async with serving("no.such.host.invalid:0"):
            pass
