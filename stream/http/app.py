"""The engine's HTTP server: health for whoever restarts it, readiness for whoever uses it, metrics for Prometheus.

An `HttpServer` owns one listening socket and one rendering thread, from `start` to `stop`. It runs in the engine's
event loop and takes no time there: the metrics page is rendered in its own thread, one at a time. Every connection
answers one request and its life is limited, as is the number of connections.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from stream.config import ConfigError, HttpConfig
from stream.http.access import Access
from stream.http.bind_address import BindAddress, resolve

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
"""Connections at once; a further one is closed at once. Prometheus uses one, a person's browser about six. A burst can
exceed it by `BACKLOG`, since connections accepted together are counted only afterwards."""

BACKLOG = 16

CONNECTION_LIFE_S = 30.0
"""However slowly a client sends its request or reads the answer, its connection is cut soon after this."""

RENDER_WITHIN_S = 10.0
"""Prometheus' own default scrape timeout: nobody waits longer for a page."""

MAX_BODY_BYTES = 1024
"""No request here needs a body."""

Exposition = Callable[[str], tuple[bytes, str]]
"""Takes the `Accept` header; gives the metrics page and its content type. Called in the rendering thread."""

Verdict = Callable[[], tuple[bool, list[str]]]
"""Whether all is well, and the reasons if not. Called in the event loop; must return at once."""

_INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>partstream</title>
<style>body { font: 16px/1.6 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }</style>
<h1>partstream</h1>
<ul>
<li><a href="/healthz">/healthz</a>: is the process worth keeping?
<li><a href="/readyz">/readyz</a>: can results be expected, and if not, why not?
<li><a href="/metrics">/metrics</a>: Prometheus metrics
</ul>
</html>
"""


class HttpServer:
    """Serves `/healthz`, `/readyz`, `/metrics` and an index of them.

    Raises `ConfigError` at once if `config` would open `/metrics` to other hosts without a token, or switches the
    server off (`bind` null: then there is no server to make).
    """

    def __init__(
        self,
        config: HttpConfig,
        *,
        metrics: Exposition,
        ready: Verdict,
        alive: Verdict,
        connection_life_s: float = CONNECTION_LIFE_S,
    ) -> None:
        if config.bind is None:
            raise ConfigError("http.bind is null, which switches the HTTP server off: there is nothing to start")
        self._bind: BindAddress = resolve(config.bind)
        token = config.read_token.get_secret_value() if config.read_token is not None else ""
        if not self._bind.loopback and not token:
            raise ConfigError(
                f"http.bind: {config.bind} can be reached from other hosts, so /metrics needs a token: set "
                "http.read_token (PARTSTREAM_HTTP__READ_TOKEN), or bind to 127.0.0.1"
            )
        self._access = Access(open_to=("loopback" if self._bind.loopback else "nobody"), token=token)
        self._metrics, self._ready, self._alive = metrics, ready, alive
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._rendering: ThreadPoolExecutor | None = None
        self._connection_life_s = connection_life_s
        self._opened: dict[RequestHandler, float] = {}
        self._sweeping: asyncio.Task[None] | None = None
        self.address = ""
        """`http://host:port` once started; the port is the real one."""

    async def start(self) -> None:
        """Listen. Raises `ConfigError` naming http.bind if the address can't be had."""
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.add_routes(
            [
                web.get("/", self._index),
                web.get("/healthz", self._health),
                web.get("/readyz", self._readiness),
                web.get("/metrics", self._metrics_page),
            ]
        )
        application.on_response_prepare.append(_on_response)
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await runner.setup()
        self._runner = runner
        self._rendering = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        try:
            server = await asyncio.get_running_loop().create_server(
                self._connect, self._bind.host, self._bind.port, backlog=BACKLOG
            )
        except OSError as error:
            await self.stop()
            raise ConfigError(
                f"http.bind: can't listen on {self._bind}: {_reason(error)}; choose another port, or port 0 for any"
            ) from None
        self._server = server
        self._sweeping = asyncio.create_task(self._cut_old_connections(), name="http connections")
        port = server.sockets[0].getsockname()[1]
        self.address = f"http://{BindAddress(self._bind.host, port, self._bind.loopback)}"
        logger.info("metrics and health at %s", self.address)

    async def stop(self) -> None:
        """Close the socket and every connection, within about half a second. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        if self._rendering is not None:
            self._rendering.shutdown(wait=False, cancel_futures=True)
            self._rendering = None

    # -- connections --------------------------------------------------------------------------------------------
    def _connect(self) -> asyncio.Protocol:
        """A connection's protocol, or for one too many a protocol that hangs up."""
        server = self._runner.server if self._runner is not None else None
        if server is None or len(server.connections) >= MAX_CONNECTIONS:
            return _HangUp()
        return server()

    async def _cut_old_connections(self) -> None:
        loop = asyncio.get_running_loop()
        while self._runner is not None and self._runner.server is not None:
            now = loop.time()
            self._opened = {one: self._opened.get(one, now) for one in self._runner.server.connections}
            for connection, since in self._opened.items():
                if now - since >= self._connection_life_s and connection.transport is not None:
                    connection.transport.abort()
            await asyncio.sleep(self._connection_life_s / 5)

    # -- answers ------------------------------------------------------------------------------------------------
    async def _index(self, request: web.Request) -> web.Response:
        return web.Response(text=_INDEX, content_type="text/html", charset="utf-8")

    async def _health(self, request: web.Request) -> web.Response:
        return _verdict("alive", self._alive())

    async def _readiness(self, request: web.Request) -> web.Response:
        return _verdict("ready", self._ready())

    async def _metrics_page(self, request: web.Request) -> web.Response:
        refused = self._access.refusal(request.headers.get("Host", ""), request.headers.get("Authorization", ""))
        if refused is not None:
            headers = {"WWW-Authenticate": 'Bearer realm="partstream"'}
            return web.Response(status=401, text=f"{refused}\n", headers=headers)
        if self._rendering is None:
            return web.Response(status=503, text="the engine is stopping\n")
        accept = request.headers.get("Accept", "")
        try:
            async with asyncio.timeout(RENDER_WITHIN_S):
                body, content_type = await asyncio.get_running_loop().run_in_executor(
                    self._rendering, self._metrics, accept
                )
        except TimeoutError:
            return web.Response(status=503, text="the metrics could not be rendered in time\n")
        return web.Response(body=body, headers={"Content-Type": content_type})


class _HangUp(asyncio.Protocol):
    """Closes its connection as soon as there is one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


async def _on_response(request: web.BaseRequest, response: web.StreamResponse) -> None:
    response.force_close()
    response.headers["Server"] = "partstream"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"


def _verdict(name: str, verdict: tuple[bool, list[str]]) -> web.Response:
    well, reasons = verdict
    return web.json_response({name: well, "reasons": reasons}, status=200 if well else 503)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).split("]")[-1].strip()
