"""The routes of the fleet's live page: its files, where cameras are, and passes for the engines that have them.

The page reads pictures and results directly from the engines, which are other origins. It has a worker for each engine,
whose Content-Security-Policy permits connections to this engine only; the page itself may connect to the controller
only. A worker is made when it is needed, so that an engine that joins later can be reached without loading the page
again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from fleet.controller import Controller
from fleet.pass_office import LIFE_S, origin_of
from stream.http.endpoints.page_files import file_routes, live_page_files
from stream.http.server.auth import Caller
from stream.http.server.bodies import json_model, json_response
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Parameter, Route
from stream.results import EngineAddress

VIEWS = "/api/v1/fleet/views"
WORKER = "/page/engine_worker.js"
WORKER_POLICY = "default-src 'none'; connect-src {origin}"
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
        script = Answer(200, "The script, which may connect to this engine only.", None, "text/javascript")
        query = (Parameter("origin", "Of the engine's HTTP server.", {"type": "string"}),)
        return [
            Route("POST", VIEWS, "read", self._view, PassesView, body=WantedView, scope="filtered"),
            Route("GET", WORKER, "read", self._worker, (script,), query=query, scope="filtered"),
        ]

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
        origin = request.headers.get("Origin", "").lower()
        if origin and origin not in self.controller.office.origins:
            raise Problem(
                403,
                "foreign-origin",
                f"engines answer the live page only at {', '.join(self.controller.office.origins)}: open it there, or "
                "add the address that you use to controller.http.page_origins",
            )

    def _place(self, camera: str) -> CameraPlaceView:
        """Return where a camera is watched: while it moves, at the engine that still has it."""
        placed = self.controller.placement.cameras[camera]
        for engine in (placed.old[0] if placed.old is not None else None, placed.engine):
            address = self._address(engine)
            if address is None:
                continue
            if _origin(address) is not None:
                return CameraPlaceView(id=camera, engine=engine, message="")
            message = f"Its engine {engine} has no HTTP server that other hosts reach: set engine.http.bind."
            if address.http is not None:
                message = f"Browsers cannot use {address.http}: start its node with an IPv4 address."
            return CameraPlaceView(id=camera, engine=None, message=message)
        message = placed.reason or "No engine has it."
        return CameraPlaceView(id=camera, engine=None, message=message[0].upper() + message[1:])

    def _pass(self, engine: str, cameras: list[str], caller: Caller, page: str) -> EnginePassView:
        address = self._address(engine)
        origin = _origin(address) if address is not None else None
        assert address is not None and origin is not None, "it has a place there"
        token = self.controller.office.issue(engine, address.run, caller.name, page, cameras)
        return EnginePassView(engine=engine, origin=origin, cameras=cameras, token=token)

    def _address(self, engine: str | None) -> EngineAddress | None:
        return self.controller.address_of(engine)

    async def _worker(self, request: web.Request) -> web.Response:
        """Get the live page's worker for one engine."""
        origin = request.query.get("origin", "")
        if origin not in self._origins(request[CALLER]):
            raise Problem(404, "no-such-engine", "no engine that has one of your cameras is at this origin")
        return web.Response(
            body=_WORKER_FILE,
            content_type="text/javascript",
            charset="utf-8",
            headers={"Content-Security-Policy": WORKER_POLICY.format(origin=origin)},
        )

    def _origins(self, caller: Caller) -> Iterator[str | None]:
        """Return the origins of the engines that have cameras which the caller sees."""
        engines: Iterable[str | None] = self.controller.engines.all
        if caller.cameras is not None:
            placed = (self.controller.placement.cameras.get(camera) for camera in caller.cameras)
            engines = {name for one in placed if one is not None for name in (one.engine, one.old and one.old[0])}
        return (_origin(address) for name in engines if (address := self._address(name)) is not None)


def _origin(address: EngineAddress) -> str | None:
    """Return the origin of an engine; None if a Content-Security-Policy cannot name it, as no IPv6 address."""
    origin = origin_of(address.http)
    return None if origin is None or "[" in origin else origin


_FILES = resources.files("fleet") / "page"
_WORKER_FILE = (_FILES / "engine_worker.js").read_bytes()


def page_files() -> list[Route]:
    """Return the routes of the page's own files, and of those that it shares with an engine's page."""
    own = [route for route in file_routes(_FILES, "/", "/page/fleet/") if not route.path.endswith("engine_worker.js")]
    return [*own, *(route for route in live_page_files() if route.path != "/")]
