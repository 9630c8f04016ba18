"""The route with which the fleet's live page lists the cameras: all at first, and then those that have changed."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, Field

from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.live_page.camera_versions import CameraVersions
from fleet.coordinator.views import FleetCameraView, camera_view
from stream.http.server.camera_routes import json_of_cameras
from stream.http.server.gate import CALLER
from stream.http.server.routes import Parameter, Route

PATH = "/api/v1/fleet/cameras"


class ChangedCamerasView(BaseModel):
    """The cameras that have changed."""

    version: str = Field(description="For `since` in the next request.")
    whole: bool = Field(description="Whether these are all cameras: the version in `since` is none, or not known.")
    count: int = Field(ge=0, description="The number of all cameras. If a reader has more, some are gone.")
    cameras: list[FleetCameraView] = Field(description="In a stable order, new ones last.")


class CameraListApi:
    """The route."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._versions = CameraVersions(lambda: coordinator.cameras.all, self._facts)

    def routes(self) -> list[Route]:
        """Return the route."""
        since = "`version` of an earlier response: only cameras that have changed since, by more than their figures."
        query = (Parameter("since", since, {"type": "string"}),)
        return [Route("GET", PATH, "read", self._list, ChangedCamerasView, query=query, scope="filtered")]

    def _facts(self, camera: str) -> object:
        """Return what a camera's view is made of, other than its figures, which always change."""
        placed = self._coordinator.placement.cameras[camera]
        session = self._coordinator.engines.sessions.get(placed.engine) if placed.engine is not None else None
        of_engine = None
        if session is not None:
            report = session.cameras.get(camera)
            of_engine = session.address, session.report.privacy, report.state if report is not None else None
        settings = self._coordinator.cameras.all[camera]
        return settings, placed.state, placed.reason, placed.generation, placed.engine, placed.previous, of_engine

    async def _list(self, request: web.Request) -> web.Response:
        """List the cameras that have changed."""
        caller, every = request[CALLER], self._coordinator.cameras
        changed = await self._versions.since(request.query.get("since", ""), caller.sees, caller.cameras)
        cameras = await json_of_cameras(
            changed.cameras, lambda: every.all, lambda camera: camera_view(self._coordinator, camera)
        )
        head = ChangedCamerasView(version=changed.version, whole=changed.whole, count=changed.count, cameras=[])
        text = f'{head.model_dump_json(exclude={"cameras"})[:-1]},"cameras":{cameras}}}'
        return web.Response(text=text, content_type="application/json")
