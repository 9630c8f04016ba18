"""The coordinator with its HTTP server, as one process runs them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator
from contextlib import contextmanager

from prometheus_client.metrics_core import Metric

from fleet.coordinator import metrics
from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.http_api import CoordinatorApi
from fleet.coordinator.live_page.camera_list import CameraListApi
from fleet.coordinator.live_page.page_api import LivePageApi, page_files
from fleet.coordinator.live_page.pass_office import PassOffice, page_origins
from fleet.settings import FleetConfig
from stream.http.server.app import HttpServer
from stream.http.server.auth import FLEET_COOKIE
from stream.membership.addresses import public
from stream.settings.config_error import ConfigError

READ_WITHIN_S = 5.0
"""Time for the event loop to read the metrics."""
_IN_HTTP = re.compile(r"(?<![.\w])http\.(?=[a-z])")
"""The beginning of the name of an engine's setting."""
_OF_ENGINES = re.compile(r" \(PARTSTREAM_\w+\)")
"""Variables that only engines read."""


@contextmanager
def naming_settings() -> Generator[None]:
    """Name the settings of the HTTP server in a `ConfigError` as a fleet's configuration does."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(_OF_ENGINES.sub("", _IN_HTTP.sub("coordinator.http.", str(error)))) from None


class CoordinatorService:
    """A coordinator, and its HTTP server if `coordinator.http.bind` is set."""

    def __init__(self, config: FleetConfig) -> None:
        """Raises `ConfigError` if the HTTP server's tokens or files cannot be used."""
        self.coordinator = Coordinator(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._office = PassOffice()
        self._http: HttpServer | None = None
        if config.coordinator.http.bind is not None:
            with naming_settings():
                self._http = HttpServer(
                    config.coordinator.http,
                    metrics=self._metrics,
                    ready=lambda: (not self.coordinator.problems, self.coordinator.problems),
                    alive=lambda: (True, []),
                    routes=[
                        *CoordinatorApi(self.coordinator).routes(),
                        *LivePageApi(self.coordinator, self._office).routes(),
                        *CameraListApi(self.coordinator).routes(),
                    ],
                    pages=page_files(),
                    cookie=FLEET_COOKIE,
                )

    @property
    def http_address(self) -> str:
        """`http://host:port` (`https` with TLS) with the actual port; empty before `start`, or without a server."""
        return self._http.address if self._http is not None else ""

    async def start(self) -> None:
        """Start both. Raises `ConfigError` naming the setting if an address or the store cannot be used."""
        self._loop = asyncio.get_running_loop()
        await self.coordinator.start()
        if self._http is not None:
            try:
                with naming_settings():
                    await self._http.start()
            except BaseException:
                await self.coordinator.stop()
                raise
            self.coordinator.assignments.http = public(self._http.address, None)
            self._office.origins = page_origins(
                self.coordinator.config.coordinator.http.page_origins, self._http.address
            )
            self.coordinator.assignments.viewing = self._office.viewing

    async def stop(self) -> None:
        """Stop both. May be called again."""
        if self._http is not None:
            await self._http.stop()
        await self.coordinator.stop()

    async def wait(self) -> None:
        """Wait until a part of the coordinator fails, and raise what it raised."""
        await self.coordinator.wait()

    def _metrics(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics page. Called in a thread: the state is read in the event loop."""
        assert self._loop is not None

        async def read() -> list[Metric]:
            return metrics.read(self.coordinator, self._http.refused if self._http is not None else {})

        families = asyncio.run_coroutine_threadsafe(read(), self._loop).result(READ_WITHIN_S)
        return metrics.page(families, accept)
