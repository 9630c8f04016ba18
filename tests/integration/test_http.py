"""The HTTP server on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import socket
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import aiohttp
import pytest
import uvloop
from aiohttp import web

from stream.http.server import connections
from stream.http.server.app import HttpServer, Verdict
from stream.http.server.bodies import read_body
from stream.http.server.routes import Answer, Route
from stream.membership.passes import Passes
from stream.settings.config_error import ConfigError
from stream.settings.network import HttpConfig
from support.engines.certificate import certificate
from support.slow_work import pace
from support.waiting import until
from telemetry.health import Health
from telemetry.metrics import PrometheusObserver

METRICS = PrometheusObserver()
LoopFactory = Callable[[], asyncio.AbstractEventLoop]
LOOPS: list[LoopFactory] = [asyncio.new_event_loop, uvloop.new_event_loop]
READ, CONTROL = "reads-0123456789", "controls-0123456789"


def all_well() -> tuple[bool, list[str]]:
    """Report that all is well."""
    return True, []


def make(
    bind: str = "127.0.0.1:0",
    token: str | None = None,
    *,
    metrics: Callable[[str], tuple[bytes, str]] = METRICS.exposition,
    ready: Verdict = all_well,
    alive: Verdict = all_well,
    life_s: float = connections.CONNECTION_LIFE_S,
    routes: Sequence[Route] = (),
    files: Mapping[str, str] = MappingProxyType({}),
    passes: Passes | None = None,
) -> HttpServer:
    config = HttpConfig.model_validate({"bind": bind, "read_token": token, **files})
    more = {"ready": ready, "alive": alive, "routes": routes, "passes": passes}
    return HttpServer(config, metrics=metrics, connection_life_s=life_s, **more)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        yield session


def host_and_port(server: HttpServer) -> tuple[str, int]:
    host, port = server.address.rpartition("//")[2].rsplit(":", 1)
    return host, int(port)


def open_connections(server: HttpServer) -> int:
    """Return the number of connections that aiohttp holds."""
    assert server._runner is not None and server._runner.server is not None
    return len(server._runner.server.connections)


async def raw(server: HttpServer, request: bytes) -> bytes:
    """Send these bytes, and return the response up to the connection's end."""
    reader, writer = await asyncio.open_connection(*host_and_port(server))
    writer.write(request)
    try:
        return await reader.read(-1)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def length(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await read_body(request, 1 << 20))))


BODY = Route("POST", "/body", "read", length, scope="none")


async def test_port_zero_picks_a_port_and_every_page_answers(client: aiohttp.ClientSession) -> None:
    server = make()
    await server.start()
    try:
        assert server.address.startswith("http://127.0.0.1:") and not server.address.endswith(":0")
        async with client.get(server.address + "/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"alive": True, "reasons": [], "privacy": {}})
        async with client.get(server.address + "/readyz") as answer:
            assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})
        async with client.get(server.address + "/metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert "partstream_ready" in await answer.text()
            assert answer.headers["Server"] == "partstream"
        async with client.get(server.address + "/") as answer:
            page = await answer.text()
            assert all(f'href="{path}"' in page for path in ("/healthz", "/readyz", "/metrics"))
        async with client.head(server.address + "/healthz") as answer:
            assert answer.status == 200
    finally:
        await server.stop()


async def test_readiness_gives_the_reason_and_does_not_affect_liveness(client: aiohttp.ClientSession) -> None:
    health = Health(0.0)
    server = make(ready=lambda: health.ready(1.0), alive=health.alive)
    await server.start()
    try:
        async with client.get(server.address + "/readyz") as answer:
            assert answer.status == 503
            assert (await answer.json())["reasons"][0] == "weights: the model's weights are not loaded yet"
        async with client.get(server.address + "/healthz") as answer:
            assert answer.status == 200
        health.died("the inference thread ended")
        async with client.get(server.address + "/healthz") as answer:
            assert (answer.status, (await answer.json())["reasons"]) == (503, ["the inference thread ended"])
    finally:
        await server.stop()


async def test_an_added_route_is_protected_and_in_the_openapi_document(client: aiohttp.ClientSession) -> None:
    async def publish(request: web.Request) -> web.Response:
        body = await read_body(request, 8)
        return web.Response(status=201, text=f"{request.match_info['camera']} {len(body)}")

    async def faulty(request: web.Request) -> web.Response:
        raise ZeroDivisionError("inner detail")

    config = HttpConfig.model_validate({"bind": "0.0.0.0:0", "read_token": READ, "control_token": CONTROL})
    routes = [
        Route("POST", "/whip/{camera}", "control", publish, (Answer(201, "An answer."),)),
        Route("GET", "/faulty", "open", faulty, scope="none"),
    ]
    server = HttpServer(config, metrics=METRICS.exposition, ready=all_well, alive=all_well, routes=routes)
    await server.start()
    address = server.address.replace("0.0.0.0", "127.0.0.1")
    try:
        for token, sent, expected in (
            ("", b"v=0", (401, "unauthorised")),
            (READ, b"v=0", (403, "forbidden")),
            (CONTROL, b"v=0 and more", (413, "body-too-large")),
            (CONTROL, b"v=0", (201, "door 3")),
        ):
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
            async with client.post(f"{address}/whip/door", data=sent, headers=headers) as answer:
                assert answer.status == expected[0]
                assert expected[1] in await answer.text()
        async with client.get(f"{address}/faulty") as answer:
            assert (answer.status, "inner detail" in await answer.text()) == (500, False)
        async with client.get(f"{address}/api/v1/openapi.json", headers={"Authorization": f"Bearer {READ}"}) as answer:
            assert (await answer.json())["paths"]["/whip/{camera}"]["post"]["x-needs"] == "control"
    finally:
        await server.stop()


async def test_a_server_that_is_stopped_at_once_closes_its_socket() -> None:
    server = make("127.0.0.1:0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        await server.start()
        await server.stop()
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


async def test_a_port_in_use_is_a_clear_error_that_names_the_field() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = make(f"127.0.0.1:{port}")
        with pytest.raises(
            ConfigError, match=rf"http\.bind: cannot listen on 127\.0\.0\.1:{port}: .*in use.*0 for any"
        ):
            await server.start()
        await server.stop()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: local",
        b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nfirst",
    ],
    ids=["nothing", "part of a head", "part of a body"],
)
async def test_a_client_that_sends_its_request_too_slowly_is_disconnected(
    request_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 0.5)

    server = make(life_s=0.5, routes=[BODY])
    await server.start()
    reader, writer = await asyncio.open_connection(*host_and_port(server))

    async def go_on() -> None:
        while request_bytes:
            writer.write(b"x")
            await pace(0.05)

    sending = asyncio.create_task(go_on())
    try:
        writer.write(request_bytes)
        with contextlib.suppress(ConnectionError):
            assert await reader.read(1) == b""
    finally:
        sending.cancel()
        writer.close()
        await server.stop()


@pytest.mark.parametrize(("passes", "most"), [(None, 16 << 10), (Passes(), 48 << 10)], ids=["alone", "in a fleet"])
async def test_a_whole_head_is_limited_and_a_body_in_tiny_chunks_is_not(passes: Passes | None, most: int) -> None:
    server = make(routes=[BODY], passes=passes)
    await server.start()
    head = b"POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nX: "
    head += b"a" * (most - len(head) - 4)
    assert (await raw(server, head + b"\r\n\r\n" + b"1\r\nx\r\n" * (1 << 16) + b"0\r\n\r\n")).endswith(b"65536")
    assert b" 431 " in await raw(server, head + b"a\r\n\r\n")
    await server.stop()


async def test_a_client_that_does_not_read_its_response_is_disconnected() -> None:
    server = make(metrics=lambda accept: (bytes(64 << 20), "text/plain"), life_s=0.5)
    await server.start()
    _, writer = await asyncio.open_connection(*host_and_port(server), limit=1024)
    try:
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: open_connections(server))
        await until(lambda: not open_connections(server))
    finally:
        writer.close()
        await server.stop()


PROBE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("loop_factory", LOOPS)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_only_so_many_connections_are_open_and_those_that_send_nothing_end(
    encrypted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop_factory: LoopFactory
) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 1.0)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 10)
    pem, key = certificate(tmp_path)
    files = {"tls_certificate": str(pem), "tls_key": str(key)} if encrypted else {}

    async def flood() -> None:
        server = make(files=files)
        await server.start()
        try:
            idle = [await asyncio.open_connection(*host_and_port(server)) for _ in range(40)]
            await until(lambda: server.refused["too-many-connections"] == 30)
            assert open_connections(server) <= 10
            for reader, _ in idle:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read(1) == b"", "closed by the server"
            trusted = ssl.create_default_context(cafile=str(pem)) if encrypted else None
            name = "localhost" if encrypted else None
            reader, writer = await asyncio.open_connection(*host_and_port(server), ssl=trusted, server_hostname=name)
            writer.write(PROBE)
            assert await reader.read(15) == b"HTTP/1.1 200 OK"
            for _, each in (*idle, (reader, writer)):
                each.close()
        finally:
            await server.stop()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(flood())


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_without_a_free_descriptor_clients_wait_or_are_refused_and_are_served_again_later(
    loop_factory: LoopFactory,
) -> None:
    async def starve() -> bytes:
        server = make()
        await server.start()
        loop, limits = asyncio.get_running_loop(), resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as client:
            client.setblocking(False)
            lowest_free = os.dup(0)
            os.close(lowest_free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
            try:
                await loop.sock_connect(client, host_and_port(server))
                for _ in range(100):
                    await asyncio.sleep(0)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        try:
            return await raw(server, PROBE)
        finally:
            await server.stop()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(starve()).startswith(b"HTTP/1.1 200 OK")


async def test_the_server_listens_on_ipv6(client: aiohttp.ClientSession) -> None:
    server = make("[::1]:0")
    await server.start()
    try:
        async with client.get(server.address + "/healthz") as answer:
            assert (answer.status, answer.url.host) == (200, "::1")
    finally:
        await server.stop()


async def test_a_slow_page_is_rendered_in_another_thread(client: aiohttp.ClientSession) -> None:
    rendered_in: list[int] = []
    may_end = threading.Event()

    def slow(accept: str) -> tuple[bytes, str]:
        rendered_in.append(threading.get_ident())
        may_end.wait()
        return b"page", "text/plain"

    server = make(metrics=slow)
    await server.start()
    try:
        page = asyncio.create_task(client.get(server.address + "/metrics"))
        await until(lambda: rendered_in)
        async with client.get(server.address + "/healthz") as answer:
            assert answer.status == 200
        assert not page.done()
        may_end.set()
        assert await (await page).read() == b"page"
        assert rendered_in and rendered_in[0] != threading.get_ident()
    finally:
        await server.stop()


async def test_stopping_does_not_wait_for_an_open_connection_and_can_be_repeated() -> None:
    server = make()
    await server.start()
    address = host_and_port(server)
    _, writer = await asyncio.open_connection(*address)
    await server.stop()
    await server.stop()
    with pytest.raises(OSError):
        await asyncio.open_connection(*address)
    writer.close()
