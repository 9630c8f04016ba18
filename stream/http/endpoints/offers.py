"""What WHIP and WHEP have in common: an offer that is POSTed, an answer that names what to DELETE."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from stream.http.server.bodies import read_body
from stream.http.server.problems import Problem
from stream.sources.webrtc.descriptions import MAX_BYTES, OfferError
from stream.sources.webrtc.peers import PeersStoppedError

SDP = "application/sdp"
SESSION_DESCRIPTION = {"title": "SessionDescription", "type": "string"}
LATER = {"Retry-After": "10"}


async def read_offer(request: web.Request) -> bytes:
    """The offer, not looked into yet. Raises `Problem` if it is something else, or too large."""
    if request.content_type != SDP:
        raise Problem(415, "unsupported-body", f"send `Content-Type: {SDP}`", headers={"Accept-Post": SDP})
    return await read_body(request, MAX_BYTES)


@contextmanager
def taking_offer() -> Iterator[None]:
    """What is wrong with the offer, or stands against any, as a `Problem`."""
    try:
        yield
    except OfferError as error:
        raise Problem(422, "bad-offer", f"the offer can't be taken: {error}") from None
    except PeersStoppedError:
        raise Problem(503, "not-now", "the engine stops", headers=LATER) from None


def answered(answer: str, session: str) -> web.Response:
    """The answer; `session` is the path of what it began."""
    return web.Response(status=201, text=answer, content_type=SDP, headers={"Location": session, "Accept-Post": SDP})


async def options(request: web.Request) -> web.Response:
    """Says what may be sent."""
    return web.Response(status=204, headers={"Accept-Post": SDP, "Allow": "POST, OPTIONS"})
