"""The control API under `/api/v1`: cameras, status, results and the effective configuration.

Handlers only translate between HTTP and the engine: errors become problems, and state becomes views.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from stream import results
from stream.cameras.control import Control
from stream.cameras.registry import CameraRegistry
from stream.config import Config
from stream.http.endpoints.event_streams import QUERY, EventStreams, LastMessage, seen_stats
from stream.http.endpoints.views import CameraListView, CameraView, EngineView, camera_view, engine_view
from stream.http.server.bodies import json_response
from stream.http.server.camera_routes import ONE, CameraRoutes
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Route
from stream.messaging.results_file import ResultsFile
from stream.settings.engine import CameraConfig

ROOT = "/api/v1"
EVENTS = ROOT + "/events"
STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class ControlApi:
    """The control API of one engine. `last(kind, camera)` returns a camera's last message as JSON, or None."""

    cameras: CameraRegistry
    control: Control
    events: EventStreams
    stats: Callable[[], results.Stats]
    streams: Callable[[], int]
    config: Callable[[], Config]
    last: LastMessage
    results_file: Callable[[], ResultsFile | None]

    def routes(self) -> list[Route]:
        """Return the routes."""
        stream = Answer(200, "Events named after the kind of message. Their data is the message as JSON.", None, STREAM)
        return [
            Route("GET", ROOT + "/status", "read", self._status, EngineView, scope="filtered"),
            Route("GET", ONE + "/result", "read", self._result, results.Frame),
            Route("GET", EVENTS, "view", self._follow, (stream,), query=QUERY, long_lived=True, scope="filtered"),
            Route("GET", ROOT + "/config", "read", self._config, Config, scope="whole"),
            *self._cameras.routes(),
        ]

    # -- handlers -----------------------------------------------------------------------------------------------
    async def _status(self, request: web.Request) -> web.Response:
        """Get the state of the engine and of all cameras."""
        stats = seen_stats(self.stats(), request[CALLER].cameras)
        sees = request[CALLER].sees
        views = [camera_view(self.cameras, camera_id) for camera_id in self.cameras.configs if sees(camera_id)]
        return json_response(engine_view(stats, self.streams(), self.results_file(), views))

    async def _result(self, request: web.Request) -> web.Response:
        """Get the latest result of a camera."""
        camera_id = request.match_info["camera"]
        self._cameras.existing(camera_id)
        body = self.last("results", camera_id)
        if body is None:
            raise Problem(404, "no-result-yet", f"camera {camera_id} has no result yet: see its status")
        return web.Response(body=body, content_type="application/json")

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        """Stream messages as server-sent events. `Last-Event-ID` is ignored: replay is available over ZeroMQ."""
        return await self.events.follow(request, list(self.cameras.configs), request[CALLER])

    async def _config(self, request: web.Request) -> web.Response:
        """Get the effective configuration, with the current cameras and without secrets."""
        return json_response(self.config().model_copy(update={"cameras": list(self.cameras.configs.values())}))

    @property
    def _cameras(self) -> CameraRoutes:
        view = lambda camera_id: camera_view(self.cameras, camera_id)  # noqa: E731
        return CameraRoutes(lambda: self.cameras.configs, view, self.control, CameraView, CameraListView, CameraConfig)
