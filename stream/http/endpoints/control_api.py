"""The control API under `/api/v1`: cameras, status, results and the effective configuration.

Handlers only translate between HTTP and the engine: errors become problems, and state becomes views.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from stream import results
from stream.cameras.changes import no_such_camera
from stream.cameras.control import Control
from stream.cameras.registry import CameraRegistry
from stream.config import Config
from stream.http.endpoints.event_streams import DEFAULT_KINDS, KINDS, EventStreams, LastMessage, seen_stats
from stream.http.endpoints.views import CameraListView, CameraView, EngineView, camera_view, engine_view
from stream.http.server.access_control.gate import CALLER
from stream.http.server.bodies import json_object
from stream.http.server.camera_changes import applied, changes_schema, settings_schema
from stream.http.server.problems import Problem
from stream.http.server.queries import CAMERA_ID_SCHEMA
from stream.http.server.routes import Answer, Parameter, Route
from stream.settings.engine import CameraConfig

ROOT = "/api/v1"


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

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = (Answer(200, "The camera.", CameraView),)
        path = ROOT + "/cameras/{camera}"
        return [
            Route(
                "GET",
                ROOT + "/status",
                "read",
                self._status,
                "Get the state of the engine and of all cameras.",
                (Answer(200, "The state.", EngineView),),
                scope="filtered",
            ),
            Route(
                "GET",
                ROOT + "/cameras",
                "read",
                self._list,
                "List the cameras.",
                (Answer(200, "The cameras.", CameraListView),),
                scope="filtered",
            ),
            Route("GET", path, "read", self._get, "Get a camera.", one, scope="camera"),
            Route(
                "PUT",
                path,
                "control",
                self._put,
                "Create or replace a camera. Omitted settings get their defaults. Repeating a request changes nothing.",
                (*one, Answer(201, "The camera was created.", CameraView)),
                body=settings_schema(CameraConfig),
                scope="camera",
            ),
            Route(
                "PATCH",
                path,
                "control",
                self._patch,
                "Change the given settings of a camera; null restores a default.",
                one,
                body=changes_schema(CameraConfig),
                scope="camera",
            ),
            Route(
                "DELETE",
                path,
                "control",
                self._delete,
                "Delete a camera.",
                (Answer(204, "The camera was deleted, or did not exist."),),
                scope="camera",
            ),
            Route(
                "GET",
                path + "/result",
                "read",
                self._result,
                "Get the latest result of a camera.",
                (Answer(200, "The result, as published.", results.Frame),),
                scope="camera",
            ),
            Route(
                "GET",
                ROOT + "/events",
                "read",
                self._follow,
                "Stream messages as server-sent events. `Last-Event-ID` is ignored: replay is available over ZeroMQ.",
                (
                    Answer(
                        200,
                        "Events named after the kind of message. Their data is the message as JSON.",
                        None,
                        EVENT_STREAM,
                    ),
                ),
                query=(
                    Parameter(
                        "camera",
                        "Stream only this camera; can be repeated. Default: all cameras.",
                        _many(CAMERA_ID_SCHEMA),
                    ),
                    Parameter(
                        "kind",
                        f"Kind of messages; can be repeated. Default: {', '.join(DEFAULT_KINDS)}.",
                        _many({"type": "string", "enum": list(KINDS.values())}),
                    ),
                ),
                long_lived=True,
                scope="filtered",
            ),
            Route(
                "GET",
                ROOT + "/config",
                "read",
                self._config,
                "Get the effective configuration, with the current cameras and without secrets.",
                (Answer(200, "The configuration.", Config),),
                scope="whole",
            ),
        ]

    # -- handlers -----------------------------------------------------------------------------------------------
    async def _status(self, request: web.Request) -> web.Response:
        stats = seen_stats(self.stats(), request[CALLER].cameras)
        return _json(engine_view(stats, self.streams(), self._views(request)))

    async def _list(self, request: web.Request) -> web.Response:
        return _json(CameraListView(cameras=self._views(request)))

    async def _get(self, request: web.Request) -> web.Response:
        return _json(self._view(request.match_info["camera"]))

    async def _put(self, request: web.Request) -> web.Response:
        camera_id = request.match_info["camera"]
        _, new = await applied(self.control.put(camera_id, await json_object(request)))
        headers = {"Location": f"{ROOT}/cameras/{camera_id}"} if new else None
        return _json(self._view(camera_id), 201 if new else 200, headers)

    async def _patch(self, request: web.Request) -> web.Response:
        camera_id = request.match_info["camera"]
        await applied(self.control.patch(camera_id, await json_object(request)))
        return _json(self._view(camera_id))

    async def _delete(self, request: web.Request) -> web.Response:
        await applied(self.control.remove(request.match_info["camera"]))
        return web.Response(status=204)

    async def _result(self, request: web.Request) -> web.Response:
        camera_id = request.match_info["camera"]
        self._view(camera_id)
        body = self.last("results", camera_id)
        if body is None:
            raise Problem(404, "no-result-yet", f"camera {camera_id} has no result yet: see its status")
        return web.Response(body=body, content_type="application/json")

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        return await self.events.follow(request, list(self.cameras.configs), request[CALLER])

    async def _config(self, request: web.Request) -> web.Response:
        return _json(self.config().model_copy(update={"cameras": list(self.cameras.configs.values())}))

    def _views(self, request: web.Request) -> list[CameraView]:
        sees = request[CALLER].sees
        return [camera_view(self.cameras, camera_id) for camera_id in self.cameras.configs if sees(camera_id)]

    def _view(self, camera_id: str) -> CameraView:
        if camera_id not in self.cameras.configs:
            raise Problem(404, "no-such-camera", str(no_such_camera(camera_id)))
        return camera_view(self.cameras, camera_id)


EVENT_STREAM = "text/event-stream"


def _many(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def _json(view: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=view.model_dump_json(), content_type="application/json", headers=headers)
