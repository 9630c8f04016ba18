"""The engine's HTTP server: health and readiness probes, Prometheus metrics, the live page, and the API's routes.

It runs in the engine's event loop. The metrics page takes longer and is rendered in a thread, one at a time. See
`gate.py` for access control and `connections.py` for the limits of connections.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web

from stream.http.endpoints.page_files import page_routes
from stream.http.endpoints.session_api import SessionApi
from stream.http.server import openapi
from stream.http.server.audit import Audit
from stream.http.server.auth import COOKIE, Access, RateLimiter, TokensFile, check_tokens, configured_grants
from stream.http.server.bind_address import BindAddress, resolve, server_context
from stream.http.server.connections import CONNECTION_LIFE_S, HEAD_BYTES, PASS_HEAD_BYTES, Connections
from stream.http.server.gate import Gate
from stream.http.server.request_threads import RequestThreads
from stream.http.server.routes import Answer, Route
from stream.membership.passes import Passes
from stream.settings.config_error import ConfigError
from stream.settings.network import HttpConfig

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 0.5
"""Interval at which access is checked again. A change of the tokens file applies after one to two of them."""

Exposition = Callable[[str], tuple[bytes, str]]
"""Takes the `Accept` header and returns the metrics page and its content type. Called in the rendering thread."""

Verdict = Callable[[], tuple[bool, list[str]]]
"""Returns whether a probe succeeds, and the reasons if it does not. Called in the event loop; must not block."""


class HttpServer:
    """Serves `/healthz`, `/readyz`, `/metrics`, the live page, sessions, `routes`, and an OpenAPI document of them.

    Raises `ConfigError` if other hosts can reach `bind` and no token, or a short one, is set, or if the tokens file,
    the audit file or the TLS files cannot be used. `privacy` returns the
    number of cameras by how much is hidden of them. `pages`: in place of the engine's live page and review page.
    `threads` are those of the routes, which end with the server. `passes` verifies those of a fleet's viewers.
    `cookie`: the name of the sessions' cookie. `on_end` is called with each task of the server when it ends, also if it
    fails.
    """

    def __init__(
        self,
        config: HttpConfig,
        *,
        metrics: Exposition,
        ready: Verdict,
        alive: Verdict,
        privacy: Callable[[], Mapping[str, int]] = dict,
        routes: Sequence[Route] = (),
        pages: Sequence[Route] | None = None,
        threads: Sequence[RequestThreads] = (),
        passes: Passes | None = None,
        cookie: str = COOKIE,
        on_end: Callable[[asyncio.Task[None]], None] | None = None,
        connection_life_s: float = CONNECTION_LIFE_S,
    ) -> None:
        assert config.bind is not None, "it would not be started"
        self._bind: BindAddress = resolve(config.bind)
        check_tokens(config, self._bind)
        configured = configured_grants(config)
        settings = {grant.digest: f"http.{grant.name}_token" for grant in configured}
        self._tokens = TokensFile(config.tokens_file, settings) if config.tokens_file is not None else None
        access = Access(configured, self._tokens, trust_loopback=self._bind.loopback, passes=passes, cookie=cookie)
        if self._bind.loopback and self._tokens is not None:
            logger.warning("http.bind: programs on this machine need no token at %s (docs/security.md)", config.bind)
        certificate, key = config.tls_certificate, config.tls_key
        self._tls = server_context(certificate, key) if certificate is not None and key is not None else None
        self._metrics, self._ready, self._alive = metrics, ready, alive
        self._privacy = privacy
        self._runner: web.AppRunner | None = None
        head_bytes = HEAD_BYTES if passes is None else PASS_HEAD_BYTES
        self._connections = Connections(config.max_streams, connection_life_s, self._tls, head_bytes)
        self._listener: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._on_end = on_end
        self._rendering = RequestThreads("metrics", 1, "the metrics to be rendered")
        self._threads = (*threads, self._rendering)
        self.audit = Audit(config.audit_file)
        self._gate = Gate(
            access, RateLimiter(config.requests_per_second), self._connections, config.cors_origins, self.audit
        )
        login = SessionApi(access, secure=self._tls is not None)
        self._routes = [*(page_routes() if pages is None else pages), *self._own_routes(), *login.routes(), *routes]
        self._document = functools.cache(lambda: openapi.document(self._routes, cookie))
        self.address = ""
        """`http://host:port` (`https` with TLS) with the actual port; empty before `start`."""

    @property
    def streams(self) -> int:
        """Open streams."""
        return self._connections.streams

    @property
    def refused(self) -> Mapping[str, int]:
        """Rejected requests by the problem's code, and connections that were closed before a request."""
        return {**self._connections.refused, **self._gate.refused}

    @property
    def tokens_in_force(self) -> bool | None:
        """Whether the tokens file as it is now is in force; None without one."""
        return self._tokens.error is None if self._tokens is not None else None

    async def start(self) -> None:
        """Start to listen. Raises `ConfigError` naming http.bind if the address cannot be bound."""
        application = web.Application(middlewares=[self._gate.answer])
        for route in self._routes:
            for method in (route.method, "HEAD") if route.method == "GET" and not route.long_lived else (route.method,):
                self._gate.routes[application.router.add_route(method, route.path, route.handler)] = route
        application.on_response_prepare.append(self._on_response)
        runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=0.5)
        await runner.setup()
        assert runner.server is not None
        self._runner = runner
        try:
            listener = self._bind.listen()
        except OSError as error:
            await self.stop()
            raise ConfigError(
                f"http.bind: cannot listen on {self._bind}: {_reason(error)}; choose another port, or 0 for any"
            ) from None
        self._listener = listener
        self._tasks = [
            asyncio.create_task(self._connections.serve(listener, runner.server), name="http server"),
            asyncio.create_task(self._watch_access(), name="http access"),
        ]
        for task in self._tasks:
            if self._on_end is not None:
                task.add_done_callback(self._on_end)
        port = listener.getsockname()[1]
        scheme = "https" if self._tls is not None else "http"
        self.address = f"{scheme}://{BindAddress(self._bind.host, port, self._bind.loopback)}"
        logger.info("live page, metrics, health and API at %s", self.address)
        if self._tls is None and not self._bind.loopback:
            logger.warning(
                "http.bind: tokens cross the network in plain text: set http.tls_certificate and http.tls_key"
            )

    async def stop(self) -> None:
        """Close the socket and all connections within about half a second. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._listener is not None:
            self._listener.close()  # also if the task was cancelled before it began
            self._listener = None
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        for threads in self._threads:
            threads.close()

    async def _watch_access(self) -> None:
        """Read the tokens file when it changes, and end what no longer has access."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            if self._tokens is not None:
                await self._tokens.look()
            self._gate.end_revoked()

    # -- responses ----------------------------------------------------------------------------------------------
    def _own_routes(self) -> list[Route]:
        metrics = (Answer(200, "The metrics.", None, "text/plain"),)
        return [
            Route("GET", "/healthz", "open", self._health, _VERDICT, limited=False, scope="none"),
            Route("GET", "/readyz", "open", self._readiness, _VERDICT, limited=False, scope="none"),
            Route("GET", "/metrics", "read", self._metrics_page, metrics, limited=False, scope="whole"),
            Route("GET", openapi.PATH, "read", self._openapi, {"title": "OpenApi", "type": "object"}, scope="none"),
        ]

    async def _health(self, request: web.Request) -> web.Response:
        """Liveness probe."""
        return _verdict("alive", self._alive(), privacy=dict(self._privacy()))

    async def _readiness(self, request: web.Request) -> web.Response:
        """Readiness probe."""
        return _verdict("ready", self._ready())

    async def _metrics_page(self, request: web.Request) -> web.Response:
        """Prometheus metrics."""
        accept = request.headers.get("Accept", "")
        body, content_type = await self._rendering.run(self._metrics, accept)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _openapi(self, request: web.Request) -> web.Response:
        """This document."""
        return web.json_response(await self._rendering.run(self._document))

    async def _on_response(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        response.force_close()
        response.headers["Connection"] = "close"  # aiohttp has already set its own header
        response.headers["Server"] = "partstream"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        response.headers.update(self._gate.cors(request))


_VERDICT = {
    "title": "Verdict",
    "description": "The probe succeeds.",
    "type": "object",
    "properties": {
        "reasons": {"type": "array", "items": {"type": "string"}},
        "privacy": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "Of `/healthz`: the number of cameras by how much is hidden of their pictures.",
        },
    },
    "required": ["reasons"],
}
"""The same body with status 503 gives the reasons for a failure."""


def _verdict(name: str, verdict: tuple[bool, list[str]], **more: object) -> web.Response:
    succeeds, reasons = verdict
    return web.json_response({name: succeeds, "reasons": reasons, **more}, status=200 if succeeds else 503)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).partition(" (")[0]
