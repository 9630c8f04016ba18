"""WHEP: fetching a video from a gateway (MediaMTX, go2rtc). Runs in the WebRTC thread.

Sends an offer, gets an answer, and at the end deletes what the gateway named in `Location`, if it named any (go2rtc
doesn't). What the address has before its `@` is the credentials: `user:password` (Basic), or a token alone (Bearer).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp

from stream.sources.webrtc.descriptions import MAX_BYTES
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.session import NegotiationError, Session

logger = logging.getLogger(__name__)

MOST_REDIRECTS = 4
ASK_WITHIN_S = 10.0
SAY_GOODBYE_WITHIN_S = 2.0
REDIRECTS = (301, 302, 307, 308)


class GatewayError(Exception):
    """The gateway answered with a status other than success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where to ask: the address without credentials, and the header that carries them."""

    address: str
    authorization: str = field(default="", repr=False)

    def headers(self, address: str) -> Mapping[str, str]:
        """Credentials are for the configured server only, not for where it may send us."""
        if not self.authorization or origin(address) != origin(self.address):
            return {}
        return {"Authorization": self.authorization}


def gateway(address: str) -> Gateway:
    """From `whep+http://…` or `whep+https://…`. Raises ValueError if it can't be one."""
    scheme, _, rest = address.partition("+")[2].partition("://")
    parts = urlsplit(f"{scheme}://{rest}")
    if scheme.lower() not in ("http", "https") or not parts.hostname or (parts.port or 1) > 65535:
        raise ValueError("not a WHEP address")
    login, _, place = parts.netloc.rpartition("@")
    user, colon, password = login.partition(":")
    if colon and user:
        authorization = aiohttp.encode_basic_auth(unquote(user), unquote(password), encoding="utf-8")
    else:
        authorization = f"Bearer {unquote(password or user)}" if login else ""
    if not authorization.isprintable():
        raise ValueError("its credentials can't be sent")
    return Gateway(parts._replace(netloc=place, fragment="").geturl(), authorization)


def origin(address: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port."""
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


class Pull:
    """One video from a gateway, from `begin` until its session has ended."""

    def __init__(self, peers: Peers, where: Gateway) -> None:
        self._peers = peers
        self._gateway = where
        self._resource: str | None = None

    async def begin(self, camera: str, start_timeout_s: float, stall_timeout_s: float) -> Session:
        """Negotiate. Raises `GatewayError`, `NegotiationError`, aiohttp's ClientError, TimeoutError."""
        session = self._peers.session(camera, start_timeout_s, stall_timeout_s, self._ended)
        try:
            offer = await session.offer()
            async with asyncio.timeout(ASK_WITHIN_S), _client() as client:
                try:
                    answer = await self._ask(client, offer)
                except ValueError:  # of urllib, yarl and the codec of hosts' names
                    raise NegotiationError("it, or what it names in `Location`, is no address") from None
            await session.accept(answer)
        except BaseException:
            session.end("unconnected")
            raise
        return session

    async def _ask(self, client: aiohttp.ClientSession, offer: str) -> str:
        address = self._gateway.address
        for _ in range(MOST_REDIRECTS + 1):
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
        raise NegotiationError(f"it redirects more than {MOST_REDIRECTS} times")

    def _ended(self, session: Session) -> None:
        if self._resource is not None:
            self._peers.say_goodbye(self._leave(self._resource))

    async def _leave(self, resource: str) -> None:
        try:
            async with asyncio.timeout(SAY_GOODBYE_WITHIN_S), _client() as client:
                headers = self._gateway.headers(resource)
                async with client.delete(resource, headers=headers, allow_redirects=False):
                    pass
        except (aiohttp.ClientError, OSError, ValueError) as error:
            logger.debug("the gateway wasn't told of the end: %s", type(error).__name__)


def _client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
