"""`/metrics` and `/healthz` of a process beside the engine: notify, or a fleet's proxy."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from stream.settings.config_error import ConfigError
from telemetry.catalogue import NOTIFY_METRICS, MetricSpec

logger = logging.getLogger(__name__)

Series = tuple[tuple[str, ...], float]
"""Label values in the order of the catalogue, and the value."""
Read = Callable[[], Mapping[str, Iterable[Series]]]


class Serving(Protocol):
    """Accepts connections, of which it limits the number and the time."""

    @property
    def refused(self) -> Mapping[str, int]:
        """Requests and connections that were refused, by reason."""
        ...

    async def serve(self, listener: socket.socket, server: web.Server) -> None:
        """Accept connections for `server` until cancelled. Closes `listener`."""
        ...


class _Process(Collector):
    def __init__(self, specs: Sequence[MetricSpec], read: Read) -> None:
        self._specs = specs
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        values = self._read()
        for spec in self._specs:
            family_of = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
            family = family_of(spec.full_name, spec.help, labels=spec.labels)
            for labels, value in values.get(spec.name, ()):
                family.add_metric(labels, value)
            yield family


class StatusServer:
    """Serves on `address` (HOST:PORT), which is configured as `setting`.

    `errors` returns why the process is not well; `read` the metrics of `specs` by name. It needs no token, so
    `connections` must not let strangers use up the process's file descriptors.
    """

    def __init__(
        self,
        address: str,
        connections: Serving,
        read: Read,
        errors: Callable[[], list[str]],
        specs: Sequence[MetricSpec] = NOTIFY_METRICS,
        setting: str = "metrics",
    ) -> None:
        self.address = ""
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
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
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        assert self._runner.server is not None
        try:
            self._listener = listener = await asyncio.to_thread(_listening, self._host.strip("[]"), self._port)
        except (OSError, UnicodeError) as error:
            await self._runner.cleanup()
            reason = (error.strerror or str(error)).partition(" (")[0] if isinstance(error, OSError) else "unknown host"
            raise ConfigError(f"{self._setting}: {self._host}:{self._port} can't be bound: {reason}") from None
        host, port = listener.getsockname()[:2]
        self._serving = asyncio.create_task(self._connections.serve(listener, self._runner.server), name="status")
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
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
        body = generate_latest(self._registry)
        return _closing(web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4"}))

    async def _health(self, request: web.Request) -> web.Response:
        errors = self._errors()
        return _closing(web.json_response({"ok": not errors, "errors": errors}, status=503 if errors else 200))


def _closing(response: web.Response) -> web.Response:
    """Let the connection serve this request only, so that a client does not keep it."""
    response.force_close()
    return response


def _listening(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)  # users expect `localhost` to be 127.0.0.1
    listener = socket.create_server(found[0][4], family=found[0][0])
    listener.setblocking(False)
    return listener
