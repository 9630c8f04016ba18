"""The controller's HTTP API: cameras as an engine's control API has them, engines and drains."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel, Field

from fleet.controller import Controller
from fleet.settings import FleetCamera
from fleet.views import FleetCameraListView, FleetCameraView, FleetStatusView, camera_view, status_view
from stream.http.server.bodies import json_response
from stream.http.server.camera_routes import CameraRoutes, applied
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Route

ROOT = "/api/v1"


class TargetView(BaseModel):
    """Engines to scrape, for Prometheus' HTTP service discovery."""

    targets: list[str] = Field(description="`host:port` of an engine's HTTP server.")
    labels: dict[str, str] = Field(description="Its node and its name.")


@dataclass(frozen=True, slots=True)
class ControllerApi:
    """The routes of a controller."""

    controller: Controller

    def routes(self) -> list[Route]:
        """Return the routes."""
        drained, undrained = (Answer(204, "It is being drained."),), (Answer(204, "It may have cameras."),)
        restarted = (Answer(204, "It is drained, and ends; another one takes its place."),)
        drain, targets = ROOT + "/fleet/drain/{name}", ROOT + "/prometheus/targets"
        undo = "Let an engine, or all engines of a node, have cameras again."
        return [
            *self._cameras.routes(),
            Route("GET", ROOT + "/status", "read", self._status, FleetStatusView, scope="whole"),
            Route("POST", drain, "control", self._drain, drained, scope="whole"),
            Route("DELETE", drain, "control", self._drain, undrained, scope="whole", summary=undo),
            Route("POST", ROOT + "/fleet/restart/{name}", "control", self._restart, restarted, scope="whole"),
            Route("GET", targets, "read", self._targets, _TARGETS, scope="whole"),
        ]

    @property
    def _cameras(self) -> CameraRoutes:
        controller = self.controller
        view = lambda camera_id: camera_view(controller, camera_id)  # noqa: E731
        ids = lambda: controller.cameras.all  # noqa: E731
        return CameraRoutes(ids, view, controller.cameras, FleetCameraView, FleetCameraListView, FleetCamera)

    async def _status(self, request: web.Request) -> web.Response:
        """Get the state of the fleet."""
        return json_response(status_view(self.controller))

    async def _drain(self, request: web.Request) -> web.Response:
        """Move the cameras of an engine, or of all engines of a node, away, and give it no more."""
        for name in self._named(request):
            await applied(self.controller.drain(name, request.method == "POST"))
        return web.Response(status=204)

    async def _restart(self, request: web.Request) -> web.Response:
        """Replace an engine: its cameras are moved away, it ends, and another one of its name is made."""
        name = request.match_info["name"]
        if name not in self.controller.engines.all:
            raise Problem(404, "no-such-engine", "no engine has this name: `partstream fleet status` lists them")
        self.controller.replace(name)
        return web.Response(status=204)

    def _named(self, request: web.Request) -> list[str]:
        """Return the engines that a request names. Raises `Problem` if there are none."""
        name, controller = request.match_info["name"], self.controller
        found = [engine.name for engine in controller.engines.all.values() if name in (engine.name, engine.node)]
        if not found and name in controller.drains:
            found = [name]  # it has ended meanwhile
        if not found:
            text = "no engine or node has this name: `partstream fleet status` lists them"
            raise Problem(404, "no-such-engine", text)
        return found

    async def _targets(self, request: web.Request) -> web.Response:
        """List the engines for Prometheus' HTTP service discovery."""
        targets: list[TargetView] = []
        for name, engine in self.controller.engines.all.items():
            if engine.address is not None and engine.address.http is not None:
                parts = urlsplit(engine.address.http)
                labels = {"node": engine.node, "engine": name, "__scheme__": parts.scheme}
                targets.append(TargetView(targets=[parts.netloc], labels=labels))
        return web.json_response([target.model_dump() for target in targets])


_TARGETS = {"title": "Targets", "type": "array", "items": TargetView.model_json_schema()}
