"""SDP offers and answers, for WHIP and WHEP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from stream.http.server.auth import Needs
from stream.http.server.bodies import read_body
from stream.http.server.gate import REVOCATION
from stream.http.server.problems import Problem
from stream.http.server.routes import Answer, Handler, Route
from stream.sources.webrtc.descriptions import MAX_BYTES, OfferError
from stream.sources.webrtc.peers import PeersStoppedError

SDP = "application/sdp"
SESSION_DESCRIPTION = {"title": "SessionDescription", "type": "string"}
RETRY_LATER = {"Retry-After": "10"}


def session_routes(
    path: str,
    needs: Needs,
    offer: Handler,
    end: Callable[[str, str], object],
    exists: Callable[[str, str], bool],
    *,
    to_offer: str,
    to_end: str,
) -> list[Route]:
    """Return the routes of WebRTC sessions at `path`, which contains `{camera}`.

    `offer` handles an SDP offer. `end` ends a session, given its camera and its key, if it exists, and `exists` returns
    whether it does. `to_offer` and `to_end` describe the two in the API's documentation. A session ends when the token
    that began it no longer permits it.
    """

    async def begin(request: web.Request) -> web.StreamResponse:
        response = await offer(request)
        session = request.match_info["camera"], response.headers["Location"].rpartition("/")[2]
        request[REVOCATION].watch(request, lambda: end(*session), lambda: exists(*session))
        return response

    async def delete(request: web.Request) -> web.Response:
        end(request.match_info["camera"], request.match_info["session"])
        return web.Response(status=204)

    answer = Answer(201, "The SDP answer. To end the session, DELETE the path in `Location`.", None, SDP)
    accepted = Answer(204, "`Accept-Post` contains it.")
    ended = Answer(204, "The session has ended.")
    return [
        Route("POST", path, needs, begin, to_offer, (answer,), body=SESSION_DESCRIPTION, body_type=SDP, scope="camera"),
        Route("OPTIONS", path, "read", _options, "Get the accepted content type.", (accepted,), scope="camera"),
        Route("DELETE", path + "/{session}", needs, delete, to_end, (ended,), scope="camera"),
    ]


async def read_offer(request: web.Request) -> bytes:
    """Read the offer without parsing it. Raises `Problem` for another content type, or if it is too large."""
    if request.content_type != SDP:
        raise Problem(415, "unsupported-body", f"send `Content-Type: {SDP}`", headers={"Accept-Post": SDP})
    return await read_body(request, MAX_BYTES)


@contextmanager
def offer_problems() -> Iterator[None]:
    """Turn the errors of accepting an offer into problems."""
    try:
        yield
    except OfferError as error:
        raise Problem(422, "bad-offer", f"the offer is not accepted: {error}") from None
    except PeersStoppedError:
        raise Problem(503, "not-now", "the engine is stopping", headers=RETRY_LATER) from None


def answered(answer: str, session: str) -> web.Response:
    """Return the response with an SDP answer; `session` is the path of the new session."""
    return web.Response(status=201, text=answer, content_type=SDP, headers={"Location": session, "Accept-Post": SDP})


async def _options(request: web.Request) -> web.Response:
    """Respond with the accepted content type."""
    return web.Response(status=204, headers={"Accept-Post": SDP, "Allow": "POST, OPTIONS"})
