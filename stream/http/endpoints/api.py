"""The control API: cameras, status, results and the configuration in force, under `/api/v1`.

Each handler reads a request, asks the engine's parts, and answers with a view of what they say; what they refuse
becomes a problem. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from stream import results
from stream.cameras import control
from stream.cameras.control import Control, no_such_camera
from stream.cameras.registry import CameraRegistry
from stream.config import Config
from stream.http.endpoints.event_stream import KINDS, USUAL_KINDS, EventStreams, LastMessage
from stream.http.endpoints.views import CameraListView, CameraView, EngineView, camera_view, engine_view
from stream.http.server.bodies import json_object
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Parameter, Route
from stream.settings.engine import CameraConfig

T = TypeVar("T")

ROOT = "/api/v1"


@dataclass(frozen=True, slots=True)
class ControlApi:
    """What the handlers ask. `last(kind, camera)` is the last message of a camera's topic, JSON, or None."""

    cameras: CameraRegistry
    control: Control
    events: EventStreams
    stats: Callable[[], results.Stats]
    streams: Callable[[], int]
    config: Callable[[], Config]
    last: LastMessage

    def routes(self) -> list[Route]:
        """What it answers."""
        one = (Answer(200, "The camera.", CameraView),)
        path = ROOT + "/cameras/{camera}"
        return [
            Route(
                "GET",
                ROOT + "/status",
                "read",
                self._status,
                "The engine and every camera.",
                (Answer(200, "How they are.", EngineView),),
            ),
            Route(
                "GET",
                ROOT + "/cameras",
                "read",
                self._list,
                "Every camera.",
                (Answer(200, "The cameras.", CameraListView),),
            ),
            Route("GET", path, "read", self._get, "One camera.", one),
            Route(
                "PUT",
                path,
                "control",
                self._put,
                "Have a camera with these settings and defaults for the others. The same again changes nothing.",
                (*one, Answer(201, "The camera; it is new.", CameraView)),
                body=settings_schema(),
            ),
            Route(
                "PATCH",
                path,
                "control",
                self._patch,
                "Change the settings given; null takes one back to its default.",
                one,
                body=changes_schema(),
            ),
            Route(
                "DELETE",
                path,
                "control",
                self._delete,
                "Have no such camera.",
                (Answer(204, "There is none now, whether or not there was."),),
            ),
            Route(
                "GET",
                path + "/result",
                "read",
                self._result,
                "The camera's latest result.",
                (Answer(200, "The result, as published.", results.Frame),),
            ),
            Route(
                "GET",
                ROOT + "/events",
                "read",
                self._follow,
                "Messages as server-sent events, from now on. `Last-Event-ID` is ignored: missed messages are asked "
                "for over ZeroMQ.",
                (Answer(200, "Events named after the kind; their data is the message's JSON.", None, EVENT_STREAM),),
                query=(
                    Parameter("camera", "Only of this camera; may be repeated. Left out: of all.", _many(ID_SCHEMA)),
                    Parameter(
                        "kind",
                        f"What to send; may be repeated. Left out: {', '.join(USUAL_KINDS)}.",
                        _many({"type": "string", "enum": list(KINDS.values())}),
                    ),
                ),
                long_lived=True,
            ),
            Route(
                "GET",
                ROOT + "/config",
                "read",
                self._config,
                "The configuration in force, its cameras as they are now, without secrets.",
                (Answer(200, "The configuration.", Config),),
            ),
        ]

    # -- handlers -----------------------------------------------------------------------------------------------
    async def _status(self, request: web.Request) -> web.Response:
        return _json(engine_view(self.stats(), self.streams(), self._views()))

    async def _list(self, request: web.Request) -> web.Response:
        return _json(CameraListView(cameras=self._views()))

    async def _get(self, request: web.Request) -> web.Response:
        return _json(self._view(request.match_info["camera"]))

    async def _put(self, request: web.Request) -> web.Response:
        camera_id = request.match_info["camera"]
        _, new = await _made(self.control.put(camera_id, await json_object(request)))
        headers = {"Location": f"{ROOT}/cameras/{camera_id}"} if new else None
        return _json(self._view(camera_id), 201 if new else 200, headers)

    async def _patch(self, request: web.Request) -> web.Response:
        camera_id = request.match_info["camera"]
        await _made(self.control.patch(camera_id, await json_object(request)))
        return _json(self._view(camera_id))

    async def _delete(self, request: web.Request) -> web.Response:
        await _made(self.control.remove(request.match_info["camera"]))
        return web.Response(status=204)

    async def _result(self, request: web.Request) -> web.Response:
        camera_id = request.match_info["camera"]
        self._view(camera_id)
        body = self.last("results", camera_id)
        if body is None:
            raise Problem(404, "no-result-yet", f"camera {camera_id} has given no result yet: see its status")
        return web.Response(body=body, content_type="application/json")

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        return await self.events.follow(request, list(self.cameras.configs))

    async def _config(self, request: web.Request) -> web.Response:
        return _json(self.config().model_copy(update={"cameras": list(self.cameras.configs.values())}))

    def _views(self) -> list[CameraView]:
        return [camera_view(self.cameras, camera_id) for camera_id in self.cameras.configs]

    def _view(self, camera_id: str) -> CameraView:
        if camera_id not in self.cameras.configs:
            raise Problem(404, "no-such-camera", str(no_such_camera(camera_id)))
        return camera_view(self.cameras, camera_id)


EVENT_STREAM = "text/event-stream"

ID_SCHEMA: dict[str, Any] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"}


def settings_schema() -> dict[str, Any]:
    """JSON Schema of a camera's settings, without what its address in the API tells."""
    schema = CameraConfig.model_json_schema()
    schema["properties"]["id"] |= ID_SCHEMA
    schema["properties"]["source"]["examples"] = ["pattern:640x360@25"]
    schema["required"] = ["source"]
    schema["title"] = "CameraSettings"
    return schema


def changes_schema() -> dict[str, Any]:
    """JSON Schema of changes to a camera's settings: any of them, or null."""
    schema = settings_schema()
    for name, field in schema["properties"].items():
        if name not in ("id", "source"):
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}]}
    del schema["required"]
    schema["title"] = "CameraChanges"
    return schema


async def _made(change: Awaitable[T]) -> T:
    """A change's outcome; what refuses it becomes a problem."""
    try:
        return await change
    except control.SettingsError as error:
        raise Problem(422, "invalid", f"{error}", errors=error.errors) from None
    except control.NoSuchCameraError as error:
        raise Problem(404, "no-such-camera", str(error)) from None
    except control.NoRoomError as error:
        raise Problem(409, "no-room", str(error)) from None
    except control.NotKeptError as error:
        raise Problem(507, "not-kept", str(error)) from None
    except control.NotNowError as error:
        raise Problem(503, "not-now", str(error), headers={"Retry-After": "2"}) from None


def _many(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def _json(view: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=view.model_dump_json(), content_type="application/json", headers=headers)
