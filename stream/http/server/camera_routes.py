"""The routes of cameras, `/api/v1/cameras`, which an engine and the controller of a fleet have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from aiohttp import web
from pydantic import BaseModel

from stream.cameras import changes
from stream.cameras.changes import Settings, no_such_camera
from stream.http.server import openapi
from stream.http.server.bodies import json_object, json_response
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem, invalid
from stream.http.server.routes import CAMERA_ID_SCHEMA, Answer, Parameter, Route, read_query
from stream.settings.engine import CameraConfig

T = TypeVar("T")

PATH = "/api/v1/cameras"
ONE = PATH + "/{camera}"
MUST_EXIST = Parameter(
    "must_exist", "`true`: a camera that does not exist is an error, 404.", {"type": "boolean", "default": False}
)
AT_ONCE = 100
"""Cameras that are listed before others have their turn; 100 take about 5 ms."""


class CameraChanges(Protocol):
    """Changes cameras. Its methods raise `ControlError`."""

    async def put(self, camera_id: str, settings: Settings) -> tuple[Any, bool]:
        """Add or replace a camera. Return its settings and whether it is new."""
        ...

    async def patch(self, camera_id: str, changes: Settings) -> Any:
        """Change the given settings; null resets one to its default."""
        ...

    async def remove(self, camera_id: str) -> bool:
        """Remove a camera, if it exists. Return whether it did."""
        ...


@dataclass(frozen=True, slots=True)
class CameraRoutes:
    """The routes. `view` returns the response for one of the cameras in `ids()`.

    `one` and `several` are the models of responses, and `settings` that of a camera's settings.
    """

    ids: Callable[[], Collection[str]]
    view: Callable[[str], BaseModel]
    changes: CameraChanges
    one: type[BaseModel]
    several: type[BaseModel]
    settings: type[CameraConfig]

    def routes(self) -> list[Route]:
        """Return the routes."""
        created = Answer(200, "The camera.", self.one), Answer(201, "The camera was created.", self.one)
        deleted = Answer(204, "The camera was deleted, or did not exist.")
        return [
            Route("GET", PATH, "read", self._list, self.several, scope="filtered"),
            Route("GET", ONE, "view", self._get, self.one),
            Route("PUT", ONE, "control", self._put, created, body=settings_schema(self.settings)),
            Route("PATCH", ONE, "control", self._patch, self.one, body=changes_schema(self.settings)),
            Route("DELETE", ONE, "control", self._delete, (deleted,), query=(MUST_EXIST,)),
        ]

    def existing(self, camera_id: str) -> BaseModel:
        """Return the view of a camera. Raises `Problem` if there is none."""
        if camera_id not in self.ids():
            raise Problem(404, "no-such-camera", str(no_such_camera(camera_id)))
        return self.view(camera_id)

    async def _list(self, request: web.Request) -> web.Response:
        """List the cameras."""
        sees = request[CALLER].sees
        cameras = await json_of_cameras([one for one in self.ids() if sees(one)], self.ids, self.view)
        return web.Response(text=f'{{"cameras":{cameras}}}', content_type="application/json")

    async def _get(self, request: web.Request) -> web.Response:
        """Get a camera."""
        return json_response(self.existing(request.match_info["camera"]))

    async def _put(self, request: web.Request) -> web.Response:
        """Create or replace a camera. Omitted settings get their defaults. Repeating a request changes nothing."""
        camera_id = request.match_info["camera"]
        _, new = await applied(self.changes.put(camera_id, await json_object(request)))
        headers = {"Location": f"{PATH}/{camera_id}"} if new else None
        return json_response(self.existing(camera_id), 201 if new else 200, headers)

    async def _patch(self, request: web.Request) -> web.Response:
        """Change the given settings of a camera; null restores a default."""
        camera_id = request.match_info["camera"]
        await applied(self.changes.patch(camera_id, await json_object(request)))
        return json_response(self.existing(camera_id))

    async def _delete(self, request: web.Request) -> web.Response:
        """Delete a camera."""
        camera_id = request.match_info["camera"]
        must_exist = read_query(request, (MUST_EXIST,))[MUST_EXIST.name]
        existed = await applied(self.changes.remove(camera_id))
        if not existed and must_exist:
            raise Problem(404, "no-such-camera", str(no_such_camera(camera_id)))
        return web.Response(status=204)


async def json_of_cameras(
    camera_ids: Iterable[str], ids: Callable[[], Collection[str]], view: Callable[[str], BaseModel]
) -> str:
    """Return an array with the views of these cameras, without those that are no longer in `ids()`."""
    shown: list[str] = []
    for number, camera_id in enumerate(camera_ids, 1):
        if camera_id in ids():
            shown.append(view(camera_id).model_dump_json())
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)  # engines are asked for their status in the controller's event loop
    return f"[{','.join(shown)}]"


def settings_schema(kind: type[CameraConfig]) -> dict[str, Any]:
    """Return the JSON Schema of a camera's settings; `id` is optional, because the path contains it."""
    schema = kind.model_json_schema(ref_template=openapi.REFERENCE)
    schema["properties"]["id"] |= CAMERA_ID_SCHEMA
    schema["properties"]["source"]["examples"] = ["pattern:640x360@25"]
    schema["required"] = ["source"]
    schema["title"] = "CameraSettings"
    return schema


def changes_schema(kind: type[CameraConfig]) -> dict[str, Any]:
    """Return the JSON Schema of changes to a camera's settings: any of them, or null."""
    schema = settings_schema(kind)
    for name, field in schema["properties"].items():
        if name not in ("id", "source"):
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}]}
    del schema["required"]
    schema["title"] = "CameraChanges"
    return schema


async def applied(change: Awaitable[T]) -> T:
    """Await a change, and turn its errors into problems."""
    try:
        return await change
    except changes.SettingsError as error:
        raise invalid(error.errors) from None
    except changes.NoSuchCameraError as error:
        raise Problem(404, "no-such-camera", str(error)) from None
    except changes.PrivateError as error:
        raise Problem(403, "private", str(error)) from None
    except changes.NoCapacityError as error:
        raise Problem(409, "no-room", str(error)) from None
    except changes.InFleetError as error:
        raise Problem(409, "in-a-fleet", str(error)) from None
    except changes.NotSavedError as error:
        raise Problem(507, "not-kept", str(error)) from None
    except changes.NotNowError as error:
        raise Problem(503, "not-now", str(error), headers={"Retry-After": "2"}) from None
