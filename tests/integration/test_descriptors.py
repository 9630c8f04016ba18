"""An HTTP server without a free file descriptor: health, and requests that need one."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import pytest
from aiohttp import web

from stream.http.server import connections
from stream.http.server.app import HttpServer
from stream.http.server.routes import Route
from stream.settings.network import HttpConfig, WebRtcConfig
from stream.sources.webrtc.peers import Peers
from support.waiting import until
from telemetry.observer import Observer


@contextmanager
def limited_to(number: int) -> Iterator[None]:
    """Let this process have only `number` descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def none_free() -> Iterator[None]:
    """Let this process open no further descriptor."""
    lowest_free = os.dup(0)
    os.close(lowest_free)
    with limited_to(lowest_free):
        yield


async def test_without_a_free_descriptor_health_is_answered_and_a_viewer_gets_503_with_a_sentence(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "RETRY_ACCEPT_S", 0.01)
    peers = Peers(WebRtcConfig(), Observer())

    async def nothing() -> None:
        pass

    async def view(request: web.Request) -> web.Response:
        await asyncio.wrap_future(peers.submit(nothing()))
        return web.Response()

    server = HttpServer(
        HttpConfig(bind="127.0.0.1:0"),
        metrics=lambda accept: (b"", ""),
        ready=lambda: (True, []),
        alive=lambda: (True, []),
        routes=[Route("GET", "/view", "view", view, "View.", scope="none")],
    )
    await server.start()
    answer = b""
    try:
        loop = asyncio.get_running_loop()
        await until(lambda: server._connections._spare)
        for path, status in (("/healthz", b"200"), ("/view", b"503")):
            with socket.socket() as client:
                client.setblocking(False)
                with none_free():
                    await loop.sock_connect(client, ("127.0.0.1", int(server.address.rpartition(":")[2])))
                    await loop.sock_sendall(client, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    answer = b""
                    while data := await loop.sock_recv(client, 1000):
                        answer += data
                assert answer.startswith(b"HTTP/1.1 " + status), answer
            server._connections._spare_one()
        assert b"no-descriptors" in answer and server.refused["no-descriptors"] == 1
        assert "Traceback" not in caplog.text
        async with aiohttp.ClientSession() as session, session.get(server.address + "/view") as again:
            assert again.status == 200, "the thread of WebRTC starts once there is a descriptor"
    finally:
        await server.stop()
        peers.stop()
