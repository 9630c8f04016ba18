"""WHEP: a camera's own video over WebRTC, for the live page and other viewers. docs/webrtc.md

A viewer POSTs an offer to `/whep/CAMERA`, and ends the session by DELETE of the response's `Location`. The offer
contains all candidates, as with WHIP. A camera whose video cannot be forwarded gives 409.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from stream.cameras.camera import Camera
from stream.cameras.changes import no_such_camera
from stream.cameras.registry import CameraRegistry
from stream.http.endpoints.offers import RETRY_LATER, answered, offer_problems, read_offer, session_routes
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem
from stream.http.server.routes import Route
from stream.live.viewers import NotSendableError, TooManyViewersError, Viewers


@dataclass(frozen=True, slots=True)
class WhepApi:
    """The WHEP endpoints of one engine."""

    cameras: CameraRegistry
    viewers: Viewers

    def routes(self) -> list[Route]:
        """Return the routes."""
        return session_routes(
            "/whep/{camera}",
            "view",
            self._view,
            self.viewers.end,
            self.viewers.has,
            to_offer="Receive a camera's own video, without re-encoding.",
            to_end="End a viewer's session.",
        )

    async def _view(self, request: web.Request) -> web.Response:
        name = request.match_info["camera"]
        self._camera(name)
        offer = await read_offer(request)
        camera = self._camera(name)
        try:
            with offer_problems():
                key, answer = await self.viewers.view(name, camera.live_video, offer, request[CALLER].owner)
        except NotSendableError as error:  # it could be forwarded a moment ago
            raise _not_sendable(name, error) from None
        except TooManyViewersError as error:
            raise Problem(503, "too-many-viewers", f"{error}: retry later", headers=RETRY_LATER) from None
        return answered(answer, f"/whep/{name}/{key}")

    def _camera(self, name: str) -> Camera:
        """Return the camera. Raises `Problem` if it does not exist or its video cannot be forwarded."""
        if name not in self.cameras.configs:
            raise Problem(404, "no-such-camera", str(no_such_camera(name)))
        camera = self.cameras.running.get(name)
        refusal = camera.video_refusal() if camera is not None else "it is not being read"
        if camera is None or refusal is not None:
            raise _not_sendable(name, refusal)
        return camera


def _not_sendable(name: str, why: object) -> Problem:
    return Problem(409, "not-sendable", f"the video of camera {name} cannot be forwarded: {why}")
