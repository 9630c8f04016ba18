"""WHIP (RFC 9725): browsers and encoders publish to cameras whose source is `whip`. docs/webrtc.md

A publisher POSTs an offer to `/whip/CAMERA`, and ends the session by DELETE of the response's `Location`. The offer
contains all candidates: trickle ICE and ICE restarts are not supported (PATCH gives 405).
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from stream.cameras.camera import Camera
from stream.cameras.changes import no_such_camera
from stream.cameras.registry import CameraRegistry
from stream.http.endpoints.offers import RETRY_LATER, answered, offer_problems, read_offer, session_routes
from stream.http.server.problems import Problem
from stream.http.server.routes import Route
from stream.sources.webrtc.descriptions import checked_offer
from stream.sources.webrtc.publishers import Publishers, TooManyPublishersError


@dataclass(frozen=True, slots=True)
class WhipApi:
    """The WHIP endpoints of one engine."""

    cameras: CameraRegistry
    publishers: Publishers

    def routes(self) -> list[Route]:
        """Return the routes."""
        return session_routes(
            "/whip/{camera}",
            "control",
            self._publish,
            self.publishers.end,
            self.publishers.has,
            to_offer="Publish to a camera whose source is `whip`. Replaces the current publisher, if any.",
            to_end="End a publisher's session.",
        )

    async def _publish(self, request: web.Request) -> web.Response:
        camera = self._published_to(request.match_info["camera"])
        body = await read_offer(request)
        try:
            with offer_problems():
                key, answer = await self.publishers.publish(camera.config, checked_offer(body))
        except TooManyPublishersError as error:
            raise Problem(503, "too-many-publishers", f"{error}: retry later", headers=RETRY_LATER) from None
        name = camera.config.id
        if camera.stopped:  # the camera was changed or removed in the meantime
            self.publishers.end(name, key)
            self._published_to(name)
            raise _changing(name)
        return answered(answer, f"/whip/{name}/{key}")

    def _published_to(self, camera_id: str) -> Camera:
        """Return the camera. Raises `Problem` if it does not exist or does not accept publishers."""
        config = self.cameras.configs.get(camera_id)
        if config is None:
            raise Problem(404, "no-such-camera", str(no_such_camera(camera_id)))
        if config.source.kind != "whip":
            raise Problem(409, "not-published-to", f"the source of camera {camera_id} is not `whip`")
        camera = self.cameras.running.get(camera_id)
        if camera is None or camera.status.state == "ended":
            raise Problem(409, "not-published-to", f"camera {camera_id} is not being read: see its status")
        if camera.stopped:
            raise _changing(camera_id)
        return camera


def _changing(camera_id: str) -> Problem:
    return Problem(503, "not-now", f"camera {camera_id} is being changed: retry", headers={"Retry-After": "1"})
