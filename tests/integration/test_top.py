"""`partstream top` with a running engine: what it shows, including after a restart, and its errors."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from commands.top import engine_client
from commands.top.engine_client import EngineClient, NoAnswerError, UnauthorisedError
from commands.top.watching import show_once, watch
from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, PATTERN, READ, configured, running
from support.ports import reserved_port
from support.waiting import until


async def test_top_shows_a_running_engine_and_reconnects_after_a_restart() -> None:
    port = reserved_port()
    config = configured({"id": "door", "source": PATTERN}, http={"bind": f"127.0.0.1:{port}"})
    out = io.StringIO()
    console = Console(file=out, width=120, height=40, force_terminal=True, color_system=None)
    watching = asyncio.create_task(watch(EngineClient(f"127.0.0.1:{port}"), 0.05, console))
    try:
        await until(lambda: "no engine answers" in out.getvalue())
        async with running(config) as (engine, _):
            await until(lambda: engine.run[:8] in out.getvalue() and "live" in out.getvalue())
        seen = len(out.getvalue())
        await until(lambda: "retrying" in out.getvalue()[seen:])
        async with running(config) as (engine, _):
            await until(lambda: engine.run[:8] in out.getvalue()[seen:])
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert "\x1b[?1049l" in out.getvalue()[seen:]  # the terminal shows its previous content again


async def test_top_reports_that_it_needs_the_read_token_off_loopback() -> None:
    async with running(configured({"id": "door", "source": PATTERN}, http=OFF_LOOPBACK)) as (engine, client):
        # The server listens elsewhere, so a request needs the token even if its Host is the loopback address.
        out = io.StringIO()
        with pytest.raises(UnauthorisedError, match="--token") as refused:
            await show_once(EngineClient(client.address, "wrong-token"), 0.05, Console(file=out))
        assert "wrong-token" not in str(refused.value)
        for token in (READ, CONTROL):
            await show_once(EngineClient(client.address, token), 0.05, Console(file=out, width=120))
        assert out.getvalue().count(f"run {engine.run[:8]}") == 2


async def test_a_server_that_is_not_an_engine_is_an_error() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(NoAnswerError, match="is not a partstream engine"):
            await show_once(EngineClient(address), 0.05, Console(file=io.StringIO()))


@pytest.mark.parametrize("body", [b'{"x":' + b"[" * 200_000, b"x" * (1 << 20)])
async def test_an_answer_that_is_nested_too_deep_or_too_long_is_not_shown(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client, "MOST_BYTES", 1 << 19)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(NoAnswerError, match="is not a partstream engine"):
            await show_once(EngineClient(address), 0.05, Console(file=io.StringIO()))
