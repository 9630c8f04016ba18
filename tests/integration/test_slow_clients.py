"""Streams to a client that does not read, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from stream.http.server import streaming
from stream.http.server.app import HttpServer
from stream.http.server.routes import Handler, Route
from stream.settings.network import HttpConfig
from support.engines.certificate import certificate
from support.waiting import until

CHUNK = bytes(16 * 1024)


async def watched(handler: Handler, ended: list[bool], **files: str) -> None:
    """Serve `/` to a client that does not read, until the handler has ended and the connection is closed."""
    server = HttpServer(
        HttpConfig.model_validate({"bind": "127.0.0.1:0", **files}),
        metrics=lambda accept: (b"", ""),
        ready=lambda: (True, []),
        alive=lambda: (True, []),
        routes=[Route("GET", "/slow", "read", handler, long_lived=True, scope="none")],
    )

    def connect() -> socket.socket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(server.address.rpartition(":")[2])))
        if files:
            trusted = ssl.create_default_context(cafile=files["tls_certificate"])
            client = trusted.wrap_socket(client, server_hostname="localhost")
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return client

    await server.start()
    try:
        with await asyncio.to_thread(connect):
            await until(lambda: bool(ended))
            assert server._runner is not None and server._runner.server is not None
            remaining = server._runner.server
            await until(lambda: not remaining.connections)  # sooner than after CONNECTION_LIFE_S
    finally:
        await server.stop()


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_few_bytes_are_buffered_for_a_client_that_does_not_read_and_it_is_disconnected(
    encrypted: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    monkeypatch.setattr(streaming, "STALLED_S", 0.5)
    pem, key = certificate(tmp_path)
    written: list[int] = []
    ended: list[bool] = []

    async def chunks() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield CHUNK
                written.append(len(CHUNK))
        finally:
            ended.append(True)

    async def stream(request: web.Request) -> web.StreamResponse:
        return await streaming.send(request, "text/plain", chunks())

    files = {"tls_certificate": str(pem), "tls_key": str(key)} if encrypted else {}
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(watched(stream, ended, **files))
    # The buffer in the process, the kernel's (which doubles what it is given), and the client's.
    assert sum(written) < 3 * streaming.WRITE_BUFFER + 4 * len(CHUNK), sum(written)


async def test_a_client_that_does_not_read_the_file_that_it_asked_for_is_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "FILE_STALLED_S", 0.5)
    film = tmp_path / "film"
    film.write_bytes(bytes(32 << 20))
    ended: list[bool] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        response = streaming.FileAnswer(film)
        try:
            await response.prepare(request)
        finally:
            ended.append(True)
        return response

    await watched(answer, ended)
