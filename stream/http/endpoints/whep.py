"""WHEP: a camera's own video over WebRTC, for the live page and every other viewer. docs/webrtc.md

An offer is POSTed to `/whep/CAMERA`, which answers; what the answer names in `Location` is DELETEd at the end. As with
WHIP an offer comes with its candidates. A camera whose pictures can't be sent as they are gives 409.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from stream.cameras.camera import Camera
from stream.cameras.control import no_such_camera
from stream.cameras.registry import CameraRegistry
from stream.http.endpoints.offers import LATER, SDP, SESSION_DESCRIPTION, answered, options, read_offer, taking_offer
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Route
from stream.live.viewers import NotSendableError, TooManyViewersError, Viewers

PATH = "/whep/{camera}"


@dataclass(frozen=True, slots=True)
class WhepApi:
    """What the handlers ask."""

    cameras: CameraRegistry
    viewers: Viewers

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route(
                "POST",
                PATH,
                "read",
                self._view,
                "Be sent a camera's own video, not encoded anew.",
                (Answer(201, "The answer; DELETE what `Location` names to end.", None, SDP),),
                body=SESSION_DESCRIPTION,
                body_type=SDP,
            ),
            Route("OPTIONS", PATH, "read", options, "What may be sent.", (Answer(204, "`Accept-Post` tells."),)),
            Route(
                "DELETE",
                PATH + "/{session}",
                "read",
                self._end,
                "End a viewer's session.",
                (Answer(204, "There is none now, whether or not there was."),),
            ),
        ]

    async def _view(self, request: web.Request) -> web.Response:
        name = request.match_info["camera"]
        self._camera(name)
        offer = await read_offer(request)
        camera = self._camera(name)
        try:
            with taking_offer():
                key, answer = await self.viewers.view(name, camera.tap, offer)
        except NotSendableError as error:  # any more: it was a moment ago
            raise _not_sendable(name, error) from None
        except TooManyViewersError as error:
            raise Problem(503, "too-many-viewers", f"{error}: try later", headers=LATER) from None
        return answered(answer, f"/whep/{name}/{key}")

    async def _end(self, request: web.Request) -> web.Response:
        self.viewers.end(request.match_info["camera"], request.match_info["session"])
        return web.Response(status=204)

    def _camera(self, name: str) -> Camera:
        """The camera. Raises `Problem` if there is none of this id, or none that can be sent."""
        if name not in self.cameras.configs:
            raise Problem(404, "no-such-camera", str(no_such_camera(name)))
        camera = self.cameras.running.get(name)
        refusal = camera.video_refusal() if camera is not None else "it isn't read"
        if camera is None or refusal is not None:
            raise _not_sendable(name, refusal)
        return camera


def _not_sendable(name: str, why: object) -> Problem:
    return Problem(409, "not-sendable", f"camera {name} can't be sent as video: {why}")
