"""The coordinator's HTTP API: cameras as an engine's control API has them, the directory, engines and drains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.engines import RunEnd, plain
from fleet.coordinator.views import (
    DirectoryView,
    FleetCameraListView,
    FleetCameraView,
    FleetEngineListView,
    FleetStatusView,
    camera_view,
    engine_views,
    status_view,
)
from fleet.settings import NAME, FleetCamera
from stream.http.server.bodies import json_model, json_response
from stream.http.server.camera_routes import CameraRoutes, applied
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Route
from stream.results import Place

ROOT = "/api/v1"


class EngineProcess(BaseModel):
    """A run of an engine whose process was started, has ended, or is about to be stopped and started again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    engine: str = Field(pattern=f"^{NAME.pattern}$", description="The engine's name.")
    run: str = Field(pattern="^[0-9a-f]{32}$", description="The run.")
    state: Literal["started", "ended", "restarting"] = Field("ended", description="What becomes of it.")
    node: str | None = Field(
        None, pattern=f"^{NAME.pattern}$", description="The name of its machine. Unset: the engine's name."
    )
    how: str = Field("", description="How it ended, for example `exit code 1`. Empty: it is not known.")
    error: str = Field("", description="The last error in its log.")
    log: str = Field("", description="The path of its log.")


class TargetView(BaseModel):
    """Engines to scrape, for Prometheus' HTTP service discovery."""

    targets: list[str] = Field(description="`host:port` of an engine's HTTP server.")
    labels: dict[str, str] = Field(description="Its node, its name, and the node's `labels` of the configuration.")


@dataclass(frozen=True, slots=True)
class CoordinatorApi:
    """The HTTP API of a coordinator."""

    coordinator: Coordinator

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [*self._cameras.routes(), *self._own_routes()]

    @property
    def _cameras(self) -> CameraRoutes:
        view = lambda camera_id: camera_view(self.coordinator, camera_id)  # noqa: E731
        ids, changes = lambda: self.coordinator.cameras.all, self.coordinator.changes
        return CameraRoutes(ids, view, changes, FleetCameraView, FleetCameraListView, FleetCamera)

    def _own_routes(self) -> list[Route]:
        known, drained, undrained = (
            (Answer(204, text),) for text in ("It was noted.", "It is being drained.", "It may have cameras.")
        )
        where, drain, engines = ROOT + "/directory", ROOT + "/fleet/drain/{name}", ROOT + "/fleet/engines"
        targets = ROOT + "/prometheus/targets"
        return [
            Route("GET", where, "read", self._directory, DirectoryView, scope="filtered"),
            Route("GET", where + "/{camera}", "read", self._place, Place),
            Route("GET", ROOT + "/status", "read", self._status, FleetStatusView, scope="whole"),
            Route("GET", engines, "read", self._engines, FleetEngineListView, scope="whole"),
            Route("POST", engines, "control", self._process, known, body=EngineProcess, scope="whole"),
            Route("POST", drain, "control", self._drain, drained, scope="whole"),
            Route("DELETE", drain, "control", self._undrain, undrained, scope="whole"),
            Route("GET", targets, "read", self._targets, _TARGETS, scope="whole"),
        ]

    # Where cameras are

    async def _directory(self, request: web.Request) -> web.Response:
        """Get where each camera is."""
        sees = request[CALLER].sees
        places = [place for name, place in self.coordinator.directory.places.items() if sees(name)]
        return json_response(DirectoryView(places))

    async def _place(self, request: web.Request) -> web.Response:
        """Get where a camera is."""
        camera_id = request.match_info["camera"]
        self._cameras.existing(camera_id)
        place = self.coordinator.directory.places.get(camera_id)
        if place is None:
            raise Problem(
                503,
                "not-ready",
                f"where camera {camera_id} is will be known when the engines have reported their cameras",
                headers={"Retry-After": "1"},
            )
        return json_response(place)

    # The fleet

    async def _status(self, request: web.Request) -> web.Response:
        """Get the state of the fleet."""
        return json_response(status_view(self.coordinator))

    async def _engines(self, request: web.Request) -> web.Response:
        """List the engines, and those that were lost lately."""
        return json_response(FleetEngineListView(engines=engine_views(self.coordinator)))

    async def _process(self, request: web.Request) -> web.Response:
        """Report that an engine's process was started, will be restarted, or has ended, so that its cameras move."""
        told = await json_model(request, EngineProcess)
        if told.state == "started":
            self.coordinator.engine_started(told.engine, told.node or told.engine, told.run)
        elif told.state == "restarting":
            self.coordinator.engine_restarts(told.engine, told.run)
        else:
            end = RunEnd(told.node or told.engine, *map(plain, (told.how, told.error, told.log)))
            self.coordinator.engine_ended(told.engine, told.run, end if told.how else None)
        return web.Response(status=204)

    async def _drain(self, request: web.Request) -> web.Response:
        """Move the cameras of a node or an engine away, and give it no more."""
        name = request.match_info["name"]
        if name not in self._names():
            raise Problem(
                404, "no-such-engine", "no engine or node has this name: `partstream fleet status` lists them"
            )
        await applied(self.coordinator.changes.drain(name))
        return web.Response(status=204)

    async def _undrain(self, request: web.Request) -> web.Response:
        """Let a node or an engine have cameras again."""
        name = request.match_info["name"]
        if name in self.coordinator.placement.drains:
            await applied(self.coordinator.changes.undrain(name))
        return web.Response(status=204)

    def _names(self) -> set[str]:
        """Return the names of engines and nodes, also of those that were lost, because they may return."""
        engines = self.coordinator.engines
        addresses = [found.address for found in (*engines.sessions.values(), *engines.lost.values())]
        names = {name for address in addresses for name in (address.engine, address.node)}
        return names | set(self.coordinator.config.nodes)

    async def _targets(self, request: web.Request) -> web.Response:
        """List the engines for Prometheus' HTTP service discovery."""
        nodes = self.coordinator.config.nodes
        targets: list[TargetView] = []
        for name, engine in self.coordinator.placement.engines.items():
            address = engine.address
            if address.http is None:
                continue
            parts = urlsplit(address.http)
            own = nodes[address.node].labels if address.node in nodes else {}
            labels = {**own, "node": address.node, "engine": name, "__scheme__": parts.scheme}
            targets.append(TargetView(targets=[parts.netloc], labels=labels))
        return web.json_response([target.model_dump() for target in targets])


_TARGETS = {"title": "Targets", "type": "array", "items": TargetView.model_json_schema()}
