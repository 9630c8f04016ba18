"""`/metrics` and `/healthz` of a process beside the engine: notify, or a fleet's proxy."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from stream.http.server.bind_address import resolve
from stream.http.server.connections import Connections
from stream.settings.config_error import ConfigError
from telemetry.catalogue import MetricSpec
from telemetry.exposition import Series, family_of

logger = logging.getLogger(__name__)

Read = Callable[[], Mapping[str, Iterable[Series]]]


class _Process(Collector):
    def __init__(self, specs: Sequence[MetricSpec], read: Read) -> None:
        self._specs = specs
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        values = self._read()
        for spec in self._specs:
            yield family_of(spec, values.get(spec.name, ()))


class StatusServer:
    """Serves on `address` (HOST:PORT), which is configured as `setting`, until it is stopped.

    `errors` returns why the process is not well; `read` the metrics of `specs` by name. It needs no token, so
    `connections` must not let strangers use up the process's file descriptors. Raises `ConfigError`.
    """

    def __init__(
        self,
        address: str,
        connections: Connections,
        read: Read,
        errors: Callable[[], list[str]],
        specs: Sequence[MetricSpec],
        setting: str = "metrics",
    ) -> None:
        self.address = ""
        self._bind = address
        self._setting = setting
        self._connections = connections
        self._errors = errors
        self._registry = CollectorRegistry()
        self._registry.register(_Process(specs, read))
        ProcessCollector(registry=self._registry)
        self._runner: web.AppRunner | None = None
        self._listener: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind. Raises `ConfigError`."""
        address = await asyncio.to_thread(resolve, self._bind, self._setting)
        try:
            self._listener = listener = address.listen()
        except OSError as error:
            reason = (error.strerror or str(error)).partition(" (")[0]
            raise ConfigError(f"{self._setting}: {address} can't be bound: {reason}") from None
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        assert self._runner.server is not None
        self._serving = asyncio.create_task(self._connections.serve(listener, self._runner.server), name="status")
        self.address = f"http://{replace(address, port=listener.getsockname()[1])}"
        if not address.loopback:
            logger.warning("%s: anyone who can reach %s can read the metrics", self._setting, self.address)

    async def stop(self) -> None:
        """Close."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])
        if self._listener is not None:
            self._listener.close()  # also if the task was cancelled before it began
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _health(self, request: web.Request) -> web.Response:
        errors = self._errors()
        return web.json_response({"ok": not errors, "errors": errors}, status=503 if errors else 200)
