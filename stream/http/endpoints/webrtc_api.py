"""WHIP (RFC 9725) and WHEP: publishing to cameras whose source is `whip`, and a camera's own video. docs/webrtc.md

A client POSTs an offer to `/whip/CAMERA` or `/whep/CAMERA`, and ends the session by DELETE of the response's
`Location`. The offer contains all candidates: trickle ICE and ICE restarts are not supported (PATCH gives 405).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from stream.cameras.camera import Camera
from stream.cameras.changes import no_such_camera
from stream.cameras.registry import CameraRegistry
from stream.http.server.auth import Needs
from stream.http.server.bodies import read_body
from stream.http.server.gate import CALLER, REVOCATION
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Handler, Route, described
from stream.live.viewers import NotSendableError, TooManyViewersError, Viewers
from stream.sources.loop_thread import LoopStoppedError
from stream.sources.webrtc.descriptions import MAX_BYTES, OfferError, checked_offer
from stream.sources.webrtc.publishers import Publishers, TooManyPublishersError

SDP = "application/sdp"
SESSION_DESCRIPTION = {"title": "SessionDescription", "type": "string"}


class WebrtcApi:
    """The WHIP and WHEP endpoints of one engine."""

    def __init__(self, cameras: CameraRegistry, publishers: Publishers, viewers: Viewers) -> None:
        self._cameras = cameras
        self._publishers = publishers
        self._viewers = viewers

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            *_session_routes("/whip/{camera}", "control", self._publish, self._publishers.end, self._publishers.has),
            *_session_routes("/whep/{camera}", "view", self._view, self._viewers.end, self._viewers.has),
        ]

    async def _publish(self, request: web.Request) -> web.Response:
        """Publish to a camera whose source is `whip`. Replaces the current publisher, if any."""
        camera = self._published_to(request.match_info["camera"])
        body = await _read_offer(request)
        with _problems():
            key, answer = await self._publishers.publish(camera.config, checked_offer(body))
        name = camera.config.id
        if camera.stopped:  # the camera was changed or removed in the meantime
            self._publishers.end(name, key)
            self._published_to(name)
            raise _changing(name)
        return _answered(answer, f"/whip/{name}/{key}")

    def _published_to(self, name: str) -> Camera:
        """Return the camera. Raises `Problem` if it does not exist or does not accept publishers."""
        camera = self._running(name)
        if self._cameras.configs[name].source.kind != "whip":
            raise Problem(409, "not-published-to", f"the source of camera {name} is not `whip`")
        if camera is None or camera.status.state == "ended":
            raise Problem(409, "not-published-to", f"camera {name} is not being read: see its status")
        if camera.stopped:
            raise _changing(name)
        return camera

    async def _view(self, request: web.Request) -> web.Response:
        """Receive a camera's own video, without re-encoding."""
        name = request.match_info["camera"]
        self._viewed(name)
        offer = await _read_offer(request)
        video = self._viewed(name).live_video
        with _problems():
            try:
                key, answer = await self._viewers.view(name, video, offer, request[CALLER].owner)
            except NotSendableError as error:  # it could be forwarded a moment ago
                raise _not_sendable(name, error) from None
        return _answered(answer, f"/whep/{name}/{key}")

    def _viewed(self, name: str) -> Camera:
        """Return the camera. Raises `Problem` if it does not exist or its video cannot be forwarded."""
        camera = self._running(name)
        refusal = camera.video_refusal() if camera is not None else "it is not being read"
        if camera is None or refusal is not None:
            raise _not_sendable(name, refusal)
        return camera

    def _running(self, name: str) -> Camera | None:
        """Return the camera; None if it is not being read. Raises `Problem` if it does not exist."""
        if name not in self._cameras.configs:
            raise Problem(404, "no-such-camera", str(no_such_camera(name)))
        return self._cameras.running.get(name)


def _session_routes(
    path: str, needs: Needs, offer: Handler, end: Callable[[str, str], object], exists: Callable[[str, str], bool]
) -> list[Route]:
    """Return the routes of WebRTC sessions at `path`, which contains `{camera}`.

    `offer` handles an SDP offer. `end` ends a session, given its camera and its key, if it exists, and `exists` returns
    whether it does. A session ends when the token that began it no longer permits it.
    """

    async def begin(request: web.Request) -> web.StreamResponse:
        response = await offer(request)
        session = request.match_info["camera"], response.headers["Location"].rpartition("/")[2]
        request[REVOCATION].watch(request, lambda: end(*session), lambda: exists(*session))
        return response

    async def delete(request: web.Request) -> web.Response:
        """End the session."""
        end(request.match_info["camera"], request.match_info["session"])
        return web.Response(status=204)

    answer = Answer(201, "The SDP answer. To end the session, DELETE the path in `Location`.", None, SDP)
    accepted, ended = Answer(204, "`Accept-Post` contains it."), Answer(204, "The session has ended.")
    summary = described(offer)
    return [
        Route("POST", path, needs, begin, (answer,), summary, body=SESSION_DESCRIPTION, body_type=SDP),
        Route("OPTIONS", path, "read", _options, (accepted,)),
        Route("DELETE", path + "/{session}", needs, delete, (ended,)),
    ]


async def _options(request: web.Request) -> web.Response:
    """Get the accepted content type."""
    return web.Response(status=204, headers={"Accept-Post": SDP, "Allow": "POST, OPTIONS"})


async def _read_offer(request: web.Request) -> bytes:
    """Read the offer without parsing it. Raises `Problem` for another content type, or if it is too large."""
    if request.content_type != SDP:
        raise Problem(415, "unsupported-body", f"send `Content-Type: {SDP}`", headers={"Accept-Post": SDP})
    return await read_body(request, MAX_BYTES)


@contextmanager
def _problems() -> Iterator[None]:
    """Turn the errors of accepting an offer into problems."""
    later = {"Retry-After": "10"}
    try:
        yield
    except OfferError as error:
        raise Problem(422, "bad-offer", f"the offer is not accepted: {error}") from None
    except LoopStoppedError:
        raise Problem(503, "not-now", "the engine is stopping", headers=later) from None
    except TooManyPublishersError as error:
        raise Problem(503, "too-many-publishers", f"{error}: retry later", headers=later) from None
    except TooManyViewersError as error:
        raise Problem(503, "too-many-viewers", f"{error}: retry later", headers=later) from None


def _answered(answer: str, session: str) -> web.Response:
    """Return the response with an SDP answer; `session` is the path of the new session."""
    return web.Response(status=201, text=answer, content_type=SDP, headers={"Location": session, "Accept-Post": SDP})


def _not_sendable(name: str, why: object) -> Problem:
    return Problem(409, "not-sendable", f"the video of camera {name} cannot be forwarded: {why}")


def _changing(name: str) -> Problem:
    return Problem(503, "not-now", f"camera {name} is being changed: retry", headers={"Retry-After": "1"})
