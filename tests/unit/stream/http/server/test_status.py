"""Tests of the server of metrics and health of a process beside the engine."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from stream.http.server.connections import Connections
from stream.http.server.status import StatusServer
from telemetry.catalogue import NOTIFY_METRICS


@asynccontextmanager
async def serving(address: str, *errors: str) -> AsyncIterator[StatusServer]:
    values = {"notify_lost_total": [((), 3.0)]}
    server = StatusServer(address, Connections(0), lambda: values, lambda: list(errors), NOTIFY_METRICS)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_metrics_and_health_are_served() -> None:
    async with serving("127.0.0.1:0", "the disk is full") as server, aiohttp.ClientSession() as session:
        async with session.get(server.address + "/metrics") as response:
            page = await response.text()
            assert "process_open_fds" in page and "partstream_notify_lost_total 3.0" in page
        async with session.get(server.address + "/healthz") as response:
            assert (response.status, await response.json()) == (503, {"ok": False, "errors": ["the disk is full"]})


@pytest.mark.parametrize(("address", "warned"), [("localhost:0", False), ("0.0.0.0:0", True)])
async def test_an_address_that_others_can_reach_is_logged(
    address: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with serving(address) as server:
            expected = [f"metrics: anyone who can reach {server.address} can read the metrics"] if warned else []
            assert [record.message for record in caplog.records] == expected
