"""The controller's HTTP API: cameras as an engine's control API has them, engines, drains, and what its page needs.

The page is an engine's with another `engines.js`, which reads pictures and results from the engines, at other origins.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from fleet.controller import Controller
from fleet.settings import FleetCamera
from fleet.views import FleetCameraListView, FleetCameraView, FleetStatusView, camera_view, status_view
from stream.http.server.bodies import json_model, json_response
from stream.http.server.camera_routes import CameraRoutes, applied
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Route
from stream.membership.passes import LIFE_S
from stream.results import EngineAddress

ROOT = "/api/v1"
MOST_CAMERAS = 256
"""In one request of the page, as in a response with pictures."""


class TargetView(BaseModel):
    """Engines to scrape, for Prometheus' HTTP service discovery."""

    targets: list[str] = Field(description="`host:port` of an engine's HTTP server.")
    labels: dict[str, str] = Field(description="Its node and its name.")


class WantedView(BaseModel):
    """The cameras that a page shows at the moment."""

    model_config = ConfigDict(extra="forbid", strict=True)

    page: str = Field(pattern="^[0-9a-f]{32}$", description="A random number that the page keeps.")
    cameras: list[str] = Field(max_length=MOST_CAMERAS, description="The cameras; unknown ones are left out.")


class CameraPlaceView(BaseModel):
    """Where a camera can be watched."""

    id: str = Field(description="The camera's id.")
    engine: str | None = Field(description="The engine to watch it at; null if no engine can show it.")
    message: str = Field(description="Why not, as a sentence; empty if it can be watched.")


class EnginePassView(BaseModel):
    """A pass for one engine."""

    engine: str = Field(description="The engine's name.")
    origin: str = Field(description="Where its HTTP server is: `scheme://host:port`.")
    cameras: list[str] = Field(description="The cameras that the pass is for.")
    token: str = Field(description="The pass, to be sent to this engine as `Authorization: Bearer`.")


class PassesView(BaseModel):
    """Where cameras are, and passes for their engines."""

    life_s: float = Field(description="Seconds for which the passes are valid.")
    cameras: list[CameraPlaceView]
    engines: list[EnginePassView]


@dataclass(frozen=True, slots=True)
class ControllerApi:
    """The routes of a controller."""

    controller: Controller

    def routes(self) -> list[Route]:
        """Return the routes other than those of the page's files."""
        controller, drain = self.controller, ROOT + "/fleet/drain/{name}"
        drained, undrained = (Answer(204, "It is being drained."),), (Answer(204, "It is no longer drained."),)
        restarted = (Answer(204, "It is drained and ends, and another one replaces it."),)
        undo = "End the drain of an engine, or of all engines of a node."
        cameras = CameraRoutes(
            lambda: controller.cameras.all,
            lambda camera_id: camera_view(controller, camera_id),
            controller.cameras,
            FleetCameraView,
            FleetCameraListView,
            FleetCamera,
        )
        return [
            *cameras.routes(),
            Route("GET", ROOT + "/status", "read", self._status, FleetStatusView, scope="whole"),
            Route("POST", drain, "control", self._drain, drained, scope="whole"),
            Route("DELETE", drain, "control", self._drain, undrained, scope="whole", summary=undo),
            Route("POST", ROOT + "/fleet/restart/{name}", "control", self._restart, restarted, scope="whole"),
            Route("POST", ROOT + "/fleet/views", "read", self._view, PassesView, body=WantedView, scope="filtered"),
            Route("GET", ROOT + "/prometheus/targets", "read", self._targets, _TARGETS, scope="whole"),
        ]

    async def _status(self, request: web.Request) -> web.Response:
        """Get the state of the fleet."""
        return json_response(status_view(self.controller))

    async def _drain(self, request: web.Request) -> web.Response:
        """Drain an engine, or all engines of a node: move its cameras away, and assign no others to it."""
        name, controller = request.match_info["name"], self.controller
        found = [engine.name for engine in controller.engines.all.values() if name in (engine.name, engine.node)]
        found = found or list({name} & controller.drains)  # it has ended meanwhile
        if not found:
            text = "no engine or node has this name: `partstream fleet status` lists them"
            raise Problem(404, "no-such-engine", text)
        for engine in found:
            await applied(controller.drain(engine, request.method == "POST"))
        return web.Response(status=204)

    async def _restart(self, request: web.Request) -> web.Response:
        """Replace an engine: its cameras are moved away, it ends, and another one of its name is made."""
        name = request.match_info["name"]
        if name not in self.controller.engines.all:
            raise Problem(404, "no-such-engine", "no engine has this name: `partstream fleet status` lists them")
        self.controller.replace(name)
        return web.Response(status=204)

    async def _targets(self, request: web.Request) -> web.Response:
        """List the engines for Prometheus' HTTP service discovery."""
        targets: list[TargetView] = []
        for name, engine in self.controller.engines.all.items():
            if engine.address is not None and engine.address.http is not None:
                parts = urlsplit(engine.address.http)
                labels = {"node": engine.node, "engine": name, "__scheme__": parts.scheme}
                targets.append(TargetView(targets=[parts.netloc], labels=labels))
        return web.json_response([target.model_dump() for target in targets])

    async def _view(self, request: web.Request) -> web.Response:
        """Get where cameras can be watched, with passes for their engines."""
        office, caller = self.controller.office, request[CALLER]
        origin = request.headers.get("Origin", "").lower()
        if origin and origin not in office.origins:  # engines would not answer the page
            remedy = "open it there, or add the address that you use to controller.http.page_origins"
            text = f"engines answer the live page only at {', '.join(office.origins)}: {remedy}"
            raise Problem(403, "foreign-origin", text)
        wanted = await json_model(request, WantedView)
        places: list[CameraPlaceView] = []
        at: defaultdict[EngineAddress, list[str]] = defaultdict(list)
        for camera in dict.fromkeys(wanted.cameras):
            if camera in self.controller.cameras.all and caller.sees(camera):
                address, message = self._watched_at(camera)
                places.append(CameraPlaceView(id=camera, engine=address and address.engine, message=message))
                if address is not None:
                    at[address].append(camera)
        passes = [
            EnginePassView(
                engine=one.engine,
                origin=one.http or "",
                cameras=cameras,
                token=office.issue(one.engine, one.run, caller.name, wanted.page, cameras),
            )
            for one, cameras in at.items()
        ]
        return json_response(PassesView(life_s=LIFE_S, cameras=places, engines=passes))

    def _watched_at(self, camera: str) -> tuple[EngineAddress | None, str]:
        """Return where a camera is watched: while it moves, at the engine that still has it. Or say why nowhere."""
        placed = self.controller.placement.cameras[camera]
        message = placed.reason
        for engine in (placed.old[0] if placed.old is not None else None, placed.engine):
            address = self.controller.address_of(engine)
            if address is not None and address.http is not None:
                return address, ""
            if address is not None:
                message = f"Its engine {engine} has no HTTP server that other hosts reach: set engine.http.bind."
        return None, message[:1].upper() + message[1:]


_TARGETS = {"title": "Targets", "type": "array", "items": TargetView.model_json_schema()}
