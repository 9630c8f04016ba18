"""`/metrics` and `/healthz` of a process beside the engine: notify, or a fleet's proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from stream.settings.config_error import ConfigError
from telemetry.catalogue import NOTIFY_METRICS, MetricSpec
from telemetry.invalid_requests import SERVER_LOGGER

Series = tuple[tuple[str, ...], float]
"""Label values in the order of the catalogue, and the value."""
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
            family_of = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
            family = family_of(spec.full_name, spec.help, labels=spec.labels)
            for labels, value in values.get(spec.name, ()):
                family.add_metric(labels, value)
            yield family


class StatusServer:
    """Serves on `address` (HOST:PORT), which is configured as `setting`.

    `errors` returns why the process is not well; `read` the metrics of `specs` by name.
    """

    def __init__(
        self,
        address: str,
        read: Read,
        errors: Callable[[], list[str]],
        specs: Sequence[MetricSpec] = NOTIFY_METRICS,
        setting: str = "metrics",
    ) -> None:
        self.address = ""
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._setting = setting
        self._errors = errors
        self._registry = CollectorRegistry()
        self._registry.register(_Process(specs, read))
        ProcessCollector(registry=self._registry)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Bind. Raises `ConfigError`."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app, access_log=None, logger=SERVER_LOGGER)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host.strip("[]"), self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(f"{self._setting}: {self._host}:{self._port} can't be bound: {error.strerror}") from None
        host, port = self._runner.addresses[0][:2]
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def stop(self) -> None:
        """Close."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _health(self, request: web.Request) -> web.Response:
        errors = self._errors()
        return web.json_response({"ok": not errors, "errors": errors}, status=503 if errors else 200)
