"""WHIP (RFC 9725): browsers and encoders publish to cameras whose source is `whip`. docs/webrtc.md

An offer is POSTed to `/whip/CAMERA`, which answers; what the answer names in `Location` is DELETEd at the end. Neither
trickled candidates nor ICE restarts are taken (PATCH gives 405): an offer comes with its candidates.
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
from stream.sources.webrtc.descriptions import checked_offer
from stream.sources.webrtc.publishers import Publishers, TooManyPublishersError

PATH = "/whip/{camera}"


@dataclass(frozen=True, slots=True)
class WhipApi:
    """What the handlers ask."""

    cameras: CameraRegistry
    publishers: Publishers

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route(
                "POST",
                PATH,
                "control",
                self._publish,
                "Publish to a camera whose source is `whip`. Whoever publishes to it already is replaced.",
                (Answer(201, "The answer; DELETE what `Location` names to end.", None, SDP),),
                body=SESSION_DESCRIPTION,
                body_type=SDP,
            ),
            Route(
                "OPTIONS",
                PATH,
                "read",
                options,
                "What may be sent.",
                (Answer(204, "`Accept-Post` tells."),),
            ),
            Route(
                "DELETE",
                PATH + "/{session}",
                "control",
                self._end,
                "End a publisher's session.",
                (Answer(204, "There is none now, whether or not there was."),),
            ),
        ]

    async def _publish(self, request: web.Request) -> web.Response:
        camera = self._published_to(request.match_info["camera"])
        body = await read_offer(request)
        try:
            with taking_offer():
                key, answer = await self.publishers.publish(camera.config, checked_offer(body))
        except TooManyPublishersError as error:
            raise Problem(503, "too-many-publishers", f"{error}: try later", headers=LATER) from None
        name = camera.config.id
        if camera.stopped:  # it was changed or removed meanwhile, or is just now
            self.publishers.end(name, key)
            self._published_to(name)
            raise _changing(name)
        return answered(answer, f"/whip/{name}/{key}")

    async def _end(self, request: web.Request) -> web.Response:
        self.publishers.end(request.match_info["camera"], request.match_info["session"])
        return web.Response(status=204)

    def _published_to(self, camera_id: str) -> Camera:
        """The camera. Raises `Problem` if there is none of this id, or nobody may publish to it."""
        config = self.cameras.configs.get(camera_id)
        if config is None:
            raise Problem(404, "no-such-camera", str(no_such_camera(camera_id)))
        if config.source.kind != "whip":
            raise Problem(409, "not-published-to", f"camera {camera_id} isn't published to: its source isn't `whip`")
        camera = self.cameras.running.get(camera_id)
        if camera is None or camera.status.state == "ended":
            raise Problem(409, "not-published-to", f"camera {camera_id} isn't read: see its status")
        if camera.stopped:
            raise _changing(camera_id)
        return camera


def _changing(camera_id: str) -> Problem:
    return Problem(503, "not-now", f"camera {camera_id} is being changed: try again", headers={"Retry-After": "1"})
