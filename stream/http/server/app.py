"""The engine's HTTP server: health for whoever restarts it, readiness for whoever uses it, metrics for Prometheus, the
live page, and whatever routes it is handed.

An `HttpServer` owns one listening socket and one rendering thread, from `start` to `stop`. It runs in the engine's
event loop and takes no time there: the metrics page is rendered in its own thread, one at a time. Who may do what is
decided in `gate.py`, how long and how many connections may be in `connections.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from pydantic import SecretStr

from stream.http.endpoints.page_files import page_routes
from stream.http.endpoints.session_api import SessionApi
from stream.http.server import openapi, tls
from stream.http.server.access import Access
from stream.http.server.bind_address import BindAddress, resolve
from stream.http.server.connections import CONNECTION_LIFE_S, Connections
from stream.http.server.gate import Gate
from stream.http.server.rate_limit import RateLimiter
from stream.http.server.routes import Answer, Route
from stream.http.server.sessions import Sessions
from stream.settings.network import HttpConfig
from stream.settings.section import ConfigError

logger = logging.getLogger(__name__)

RENDER_WITHIN_S = 10.0
"""Prometheus' own default scrape timeout: nobody waits longer for a page."""

Exposition = Callable[[str], tuple[bytes, str]]
"""Takes the `Accept` header; gives the metrics page and its content type. Called in the rendering thread."""

Verdict = Callable[[], tuple[bool, list[str]]]
"""Whether all is well, and the reasons if not. Called in the event loop; must return at once."""


class HttpServer:
    """Serves `/healthz`, `/readyz`, `/metrics`, the live page, sessions, the `routes`, and a document of all.

    Raises `ConfigError` at once if `config` would open it to other hosts without a token, names TLS files that can't
    be used, or switches the server off (`bind` null: then there is no server to make).
    """

    def __init__(
        self,
        config: HttpConfig,
        *,
        metrics: Exposition,
        ready: Verdict,
        alive: Verdict,
        routes: Sequence[Route] = (),
        connection_life_s: float = CONNECTION_LIFE_S,
    ) -> None:
        if config.bind is None:
            raise ConfigError("http.bind is null, which switches the HTTP server off: there is nothing to start")
        self._bind: BindAddress = resolve(config.bind)
        access = Access(
            "loopback" if self._bind.loopback else "nobody", _secret(config.read_token), _secret(config.control_token)
        )
        if not self._bind.loopback and not (access.read_token or access.control_token):
            raise ConfigError(
                f"http.bind: {config.bind} can be reached from other hosts, so /metrics and the API need a token: set "
                "http.read_token (PARTSTREAM_HTTP__READ_TOKEN) and, to change cameras from there, http.control_token, "
                "or bind to 127.0.0.1"
            )
        certificate, key = config.tls_certificate, config.tls_key
        self._tls = tls.server_context(certificate, key) if certificate is not None and key is not None else None
        self._metrics, self._ready, self._alive = metrics, ready, alive
        self._runner: web.AppRunner | None = None
        self._rendering: ThreadPoolExecutor | None = None
        self._connections = Connections(config.max_streams, connection_life_s, self._tls)
        self._serving: asyncio.Task[None] | None = None
        sessions, limiter = Sessions(), RateLimiter(config.requests_per_second)
        self._gate = Gate(access, sessions, limiter, self._connections, config.cors_origins)
        login = SessionApi(access, sessions, limiter, secure=self._tls is not None)
        self._routes = [*self._own_routes(), *login.routes(), *routes]
        self._document = openapi.document(self._routes)
        self.address = ""
        """`http://host:port` (https with TLS) once started; the port is the real one."""

    @property
    def streams(self) -> int:
        """Answers that go on, now."""
        return self._connections.streams

    @property
    def refused(self) -> Mapping[str, int]:
        """Requests that were turned away, by the problem's code."""
        return self._gate.refused

    async def start(self) -> None:
        """Listen. Raises `ConfigError` naming http.bind if the address can't be had."""
        application = web.Application(middlewares=[self._gate.answer])
        for route in self._routes:
            for method in (route.method, "HEAD") if route.method == "GET" and not route.long_lived else (route.method,):
                self._gate.routes[application.router.add_route(method, route.path, route.handler)] = route
        application.on_response_prepare.append(self._on_response)
        # Bodies stay as they are sent: what is small compressed may be large.
        runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=0.5, auto_decompress=False
        )
        await runner.setup()
        assert runner.server is not None
        self._runner = runner
        self._rendering = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        try:
            listener = self._bind.listen()
        except OSError as error:
            await self.stop()
            raise ConfigError(
                f"http.bind: can't listen on {self._bind}: {_reason(error)}; choose another port, or port 0 for any"
            ) from None
        self._serving = asyncio.create_task(self._connections.serve(listener, runner.server), name="http server")
        port = listener.getsockname()[1]
        scheme = "https" if self._tls is not None else "http"
        self.address = f"{scheme}://{BindAddress(self._bind.host, port, self._bind.loopback)}"
        logger.info("live page, metrics, health and API at %s", self.address)
        if self._tls is None and not self._bind.loopback:
            logger.warning("http.bind: tokens cross the network unencrypted: set http.tls_certificate and http.tls_key")

    async def stop(self) -> None:
        """Close the socket and every connection, within about half a second. Idempotent."""
        if self._serving is not None:
            serving, self._serving = self._serving, None
            serving.cancel()
            await asyncio.wait([serving])
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        if self._rendering is not None:
            self._rendering.shutdown(wait=False, cancel_futures=True)
            self._rendering = None

    # -- answers ------------------------------------------------------------------------------------------------
    def _own_routes(self) -> list[Route]:
        health = (Answer(200, "Yes.", _VERDICT),)
        return [
            *page_routes(),
            Route("GET", "/healthz", "open", self._health, "Is it worth keeping?", health, limited=False),
            Route("GET", "/readyz", "open", self._readiness, "Can results be expected?", health, limited=False),
            Route(
                "GET",
                "/metrics",
                "read",
                self._metrics_page,
                "Prometheus metrics.",
                (Answer(200, "The metrics.", None, "text/plain"),),
                limited=False,
            ),
            Route(
                "GET",
                openapi.PATH,
                "read",
                self._openapi,
                "This document.",
                (Answer(200, "OpenAPI 3.1.", {"title": "OpenApi", "type": "object"}),),
            ),
        ]

    async def _health(self, request: web.Request) -> web.Response:
        return _verdict("alive", self._alive())

    async def _readiness(self, request: web.Request) -> web.Response:
        return _verdict("ready", self._ready())

    async def _metrics_page(self, request: web.Request) -> web.Response:
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

    async def _openapi(self, request: web.Request) -> web.Response:
        return web.json_response(self._document)

    async def _on_response(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        response.force_close()
        response.headers["Connection"] = "close"  # aiohttp has written its own by now
        response.headers["Server"] = "partstream"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        response.headers.update(self._gate.cors(request))


_VERDICT = {
    "title": "Verdict",
    "type": "object",
    "properties": {"reasons": {"type": "array", "items": {"type": "string"}}},
    "required": ["reasons"],
}
"""With status 503 it is the same, and says why not."""


def _verdict(name: str, verdict: tuple[bool, list[str]]) -> web.Response:
    well, reasons = verdict
    return web.json_response({name: well, "reasons": reasons}, status=200 if well else 503)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).partition(" (")[0]


def _secret(token: SecretStr | None) -> str:
    return token.get_secret_value() if token is not None else ""
