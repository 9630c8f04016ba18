"""The Ray actor of the controller with its HTTP server, and how it is made.

It is pinned to the head by the resource `partstream_head`, or to the node that has made it, and runs nowhere else:
its files are there. Ray starts it again when it ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray
from prometheus_client.metrics_core import Metric

from fleet import metrics
from fleet.controller import Controller
from fleet.engine_actor import NAMESPACE
from fleet.http_api import ControllerApi
from fleet.settings import FleetConfig, load, naming_settings
from stream.descriptors import raise_limit
from stream.http.endpoints.page_files import fleet_page_routes
from stream.http.server.app import HttpServer
from stream.http.server.auth import FLEET_COOKIE, names_loopback
from stream.membership.addresses import public
from stream.settings.config_error import ConfigError
from stream.settings.network import whole_origins
from telemetry import logs
from telemetry.exposition import page_for

logger = logging.getLogger(__name__)

ACTOR = "controller"
HEAD = "partstream_head"
"""A resource of the node that is to have the controller: `ray start --head --resources '{"partstream_head": 1}'`."""
START_AGAIN_S = 2.0
POLL_S = 0.1
READ_WITHIN_S = 5.0
"""Time for the event loop to read the metrics."""


def origins_at(address: str) -> list[str]:
    """Return where browsers have the page from, if its server is bound to this address, `scheme://host:port`."""
    hosts = [None, "localhost"] if names_loopback(urlsplit(address).netloc) else [None]
    return whole_origins([public(address, host) for host in hosts])


class ControllerService:
    """The controller, and its HTTP server if `controller.http.bind` is set."""

    def __init__(self, config: FleetConfig) -> None:
        self.controller = Controller(config)
        self._server: HttpServer | None = None

    async def start(self) -> None:
        """Start both. Raises `ConfigError` naming the setting if an address, a file or the store cannot be used."""
        try:
            await self.controller.open()
            if self.controller.config.controller.http.bind is not None:
                await self._serve()
            self.controller.start()
        except BaseException:
            await self.stop()
            raise

    async def _serve(self) -> None:
        controller, loop = self.controller, asyncio.get_running_loop()
        config = controller.config.controller.http

        async def read() -> list[Metric]:
            return metrics.read(controller, server.refused)

        def page(accept: str) -> tuple[bytes, str]:  # called in a thread: the state is read in the event loop
            return page_for(accept, asyncio.run_coroutine_threadsafe(read(), loop).result(READ_WITHIN_S))

        with naming_settings():
            server = self._server = HttpServer(
                config,
                metrics=page,
                ready=lambda: (not controller.problems, controller.problems),
                alive=lambda: (True, []),
                routes=ControllerApi(controller).routes(),
                pages=fleet_page_routes(resources.files("fleet") / "page"),
                cookie=FLEET_COOKIE,
            )
            await server.start()
        controller.http = public(server.address, None)
        controller.office.origins = config.page_origins or origins_at(server.address)

    async def stop(self) -> None:
        """Stop both. The engines go on. May be called again."""
        if self._server is not None:
            await self._server.stop()
        await self.controller.stop()


class ControllerActor:
    """The controller in a process of Ray's. It begins by itself, also when Ray has started the process again.

    It has an event loop in a thread of its own, because Ray runs that of an actor only for calls. An end of a part of
    the controller ends the process. `directory` and `config`: where relative paths begin, and `fleet.yaml`.
    """

    def __init__(self, directory: str, config: str) -> None:
        logs.configure(json=True)
        raise_limit()
        os.chdir(directory)
        self._config = Path(config)
        self._service: ControllerService | None = None
        self._error: ConfigError | None = None
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="controller", daemon=True).start()
        self._serving = asyncio.run_coroutine_threadsafe(self._serve(), self._loop)

    def addresses(self) -> dict[str, str] | str | None:
        """Return where users reach `http` and `directory`; a text if it cannot start, which says why; None before."""
        if self._service is None:
            return str(self._error) if self._error is not None else None
        controller = self._service.controller
        directory = controller.directory.publisher.endpoint.replace("0.0.0.0", ray.util.get_node_ip_address())
        return {"http": controller.office.origins[0] if controller.http else "", "directory": directory}

    def pid(self) -> int:
        """Return the process's id."""
        return os.getpid()

    def end(self) -> None:
        """Stop all engines in order, and then the controller."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()

    async def _end(self) -> None:
        self._serving.cancel()
        if (service := self._service) is not None:
            await service.controller.end()
            await service.stop()

    async def _serve(self) -> None:
        try:
            while self._service is None:
                try:
                    service = ControllerService(load(self._config))
                    await service.start()
                    self._service, self._error = service, None
                except ConfigError as error:  # for example, an earlier process is not gone yet
                    if str(error) != str(self._error):
                        logger.error("the controller can't start: %s", error)
                    self._error = error
                    await asyncio.sleep(START_AGAIN_S)
            await self._service.controller.wait()
        except Exception:
            logger.critical("the controller has failed, and is started again", exc_info=True)
            logging.shutdown()
            os._exit(1)


async def started(actor: Any) -> dict[str, str]:
    """Return the addresses of a controller when it has started. Raises `ConfigError` if it cannot."""
    while not isinstance(addresses := await actor.addresses.remote(), dict):
        if addresses is not None:
            raise ConfigError(addresses)
        await asyncio.sleep(POLL_S)
    return addresses


def make(config: Path, resource: str) -> Any:
    """Return the controller's actor, which is made if it is not there. `resource`: of the node that is to have it."""
    return (
        ray.remote(ControllerActor)
        .options(
            name=ACTOR,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            num_cpus=0,
            resources={resource: 0.001},
        )
        .remote(str(Path.cwd()), str(config.absolute()))
    )
