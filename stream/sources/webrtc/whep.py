"""WHEP client: fetches a video from a gateway (MediaMTX, go2rtc). Runs in the WebRTC thread.

It sends an offer, receives an answer, and at the end deletes the resource that the gateway gave in `Location` (go2rtc
gives none). The credentials precede the `@` of the address: `user:password` (Basic), or only a token (Bearer).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp

from stream.sources.addresses import parse_gateway_url
from stream.sources.webrtc.descriptions import MAX_BYTES
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.session import NegotiationError, Session

logger = logging.getLogger(__name__)

MAX_REDIRECTS = 4
REQUEST_WITHIN_S = 10.0
DELETE_WITHIN_S = 2.0
REDIRECTS = (301, 302, 307, 308)


class GatewayError(Exception):
    """The gateway answered with a status other than success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway's address without credentials, and its `Authorization` header."""

    address: str
    authorization: str = field(default="", repr=False)

    def headers(self, address: str) -> Mapping[str, str]:
        """Return headers with credentials, but only for the configured server and never for a redirect elsewhere."""
        if not self.authorization or origin(address) != origin(self.address):
            return {}
        return {"Authorization": self.authorization}


def parse_gateway(address: str) -> Gateway:
    """Parse `whep+http://…` or `whep+https://…`. Raises ValueError if it is invalid."""
    parts = parse_gateway_url(address)
    login, _, place = parts.netloc.rpartition("@")
    user, colon, password = login.partition(":")
    if colon and user:
        authorization = aiohttp.encode_basic_auth(unquote(user), unquote(password), encoding="utf-8")
    else:
        authorization = f"Bearer {unquote(password or user)}" if login else ""
    if not authorization.isprintable():
        raise ValueError("its credentials contain unprintable characters")
    return Gateway(parts._replace(netloc=place, fragment="").geturl(), authorization)


def origin(address: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port."""
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


class Pull:
    """One video from a gateway, from `begin` until its session ends."""

    def __init__(self, peers: Peers, gateway: Gateway) -> None:
        self._peers = peers
        self._gateway = gateway
        self._resource: str | None = None

    async def begin(self, camera: str, start_timeout_s: float, stall_timeout_s: float) -> Session:
        """Negotiate. Raises `GatewayError`, `NegotiationError`, aiohttp's ClientError, TimeoutError."""
        session = self._peers.session(camera, start_timeout_s, stall_timeout_s, self._ended)
        try:
            offer = await session.offer()
            async with asyncio.timeout(REQUEST_WITHIN_S), _client() as client:
                try:
                    answer = await self._request(client, offer)
                except ValueError:  # from urllib, yarl or the IDNA codec
                    raise NegotiationError("it or its `Location` is not a valid address") from None
            await session.accept(answer)
        except BaseException:
            session.end("unconnected")
            raise
        return session

    async def _request(self, client: aiohttp.ClientSession, offer: str) -> str:
        address = self._gateway.address
        for _ in range(MAX_REDIRECTS + 1):
            headers = {"Content-Type": "application/sdp", "Accept": "application/sdp", **self._gateway.headers(address)}
            async with client.post(address, data=offer.encode(), headers=headers, allow_redirects=False) as reply:
                location = reply.headers.get("Location")
                if reply.status in REDIRECTS and location is not None:
                    address = urljoin(address, location)
                    if urlsplit(address).scheme not in ("http", "https"):
                        raise NegotiationError("it redirects to something other than HTTP")
                    continue
                if reply.status not in (200, 201):
                    raise GatewayError(reply.status)
                if location is not None and origin(urljoin(address, location)) == origin(address):
                    self._resource = urljoin(address, location)
                body = bytearray()
                async for chunk in reply.content.iter_chunked(MAX_BYTES):
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise NegotiationError("its answer is too large")
                return body.decode("utf-8", "replace")
        raise NegotiationError(f"it redirects more than {MAX_REDIRECTS} times")

    def _ended(self, session: Session) -> None:
        if self._resource is not None:
            self._peers.run_after_end(self._delete(self._resource))

    async def _delete(self, resource: str) -> None:
        try:
            async with asyncio.timeout(DELETE_WITHIN_S), _client() as client:
                headers = self._gateway.headers(resource)
                async with client.delete(resource, headers=headers, allow_redirects=False):
                    pass
        except (aiohttp.ClientError, OSError, ValueError) as error:
            logger.debug("could not end the session at the gateway: %s", type(error).__name__)


def _client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
