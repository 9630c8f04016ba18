"""The routes of the fleet's live page: its files, where cameras are, and passes for the engines that have them.

It is an engine's page with another `engines.js`, which reads pictures and results from the engines, at other origins.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from importlib import resources

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from fleet.controller import Controller
from fleet.pass_office import LIFE_S, origin_of
from stream.http.endpoints.page_files import fleet_page_routes
from stream.http.server.auth import Caller
from stream.http.server.bodies import json_model, json_response
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem
from stream.http.server.routes import Route

VIEWS = "/api/v1/fleet/views"
MOST_CAMERAS = 256
"""In one request, as in a response with pictures."""


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
class LivePageApi:
    """The routes."""

    controller: Controller

    def routes(self) -> list[Route]:
        """Return the routes other than those of the page's files."""
        return [Route("POST", VIEWS, "read", self._view, PassesView, body=WantedView, scope="filtered")]

    async def _view(self, request: web.Request) -> web.Response:
        """Get where cameras can be watched, with passes for their engines."""
        self._check_origin(request)
        wanted = await json_model(request, WantedView)
        caller = request[CALLER]
        places: list[CameraPlaceView] = []
        at: defaultdict[str, list[str]] = defaultdict(list)
        for camera in dict.fromkeys(wanted.cameras):
            if camera not in self.controller.cameras.all or not caller.sees(camera):
                continue
            place = self._place(camera)
            places.append(place)
            if place.engine is not None:
                at[place.engine].append(camera)
        engines = [self._pass(engine, cameras, caller, wanted.page) for engine, cameras in at.items()]
        return json_response(PassesView(life_s=LIFE_S, cameras=places, engines=engines))

    def _check_origin(self, request: web.Request) -> None:
        """Raise `Problem` if engines do not answer the page that asks."""
        origin, accepted = request.headers.get("Origin", "").lower(), self.controller.office.origins
        if origin and origin not in accepted:
            remedy = "open it there, or add the address that you use to controller.http.page_origins"
            text = f"engines answer the live page only at {', '.join(accepted)}: {remedy}"
            raise Problem(403, "foreign-origin", text)

    def _place(self, camera: str) -> CameraPlaceView:
        """Return where a camera is watched: while it moves, at the engine that still has it."""
        placed = self.controller.placement.cameras[camera]
        message = placed.reason or "No engine has it."
        for engine in (placed.old[0] if placed.old is not None else None, placed.engine):
            address = self.controller.address_of(engine)
            if address is not None and origin_of(address.http) is not None:
                return CameraPlaceView(id=camera, engine=engine, message="")
            if address is not None:
                message = f"Its engine {engine} has no HTTP server that other hosts reach: set engine.http.bind."
        return CameraPlaceView(id=camera, engine=None, message=message[0].upper() + message[1:])

    def _pass(self, engine: str, cameras: list[str], caller: Caller, page: str) -> EnginePassView:
        address = self.controller.address_of(engine)
        origin = origin_of(address.http) if address is not None else None
        assert address is not None and origin is not None, "it has a place there"
        token = self.controller.office.issue(engine, address.run, caller.name, page, cameras)
        return EnginePassView(engine=engine, origin=origin, cameras=cameras, token=token)


def page_files() -> list[Route]:
    """Return the routes of the page's files."""
    return fleet_page_routes(resources.files("fleet") / "page")
