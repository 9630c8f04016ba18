"""RtspSession: state machine that requests one video over RTSP. Messages in, bytes and events out.

OPTIONS comes first, as in every player: cameras are tested with it, and its response tells whether GET_PARAMETER keeps
sessions alive. DESCRIBE, SETUP and PLAY follow, one request at a time: many cameras cannot handle two.

URLs for SETUP and PLAY: a description's `control` attributes, resolved against its base URL.

RFC 2326 requires resolution by RFC 1808. Cameras expect what players do: append a slash and the name, even after a
query (`?channel=1&subtype=0/trackID=0`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urljoin, urlsplit

from stream.sources.rtsp.protocol.address import RtspAddress, sendable
from stream.sources.rtsp.protocol.authentication import Credentials, random_cnonce
from stream.sources.rtsp.protocol.errors import (
    AccessDeniedError,
    LowerTransportError,
    NoSuchPathError,
    ProtocolError,
    StatusError,
)
from stream.sources.rtsp.protocol.messages import Headers, Message, Request, Response, encode_request, encode_response
from stream.sources.rtsp.protocol.sdp import VideoDescription, describe_video
from stream.sources.rtsp.protocol.transport_header import (
    Delivery,
    parse_interleaved_delivery,
    parse_udp_delivery,
)

_ABSOLUTE = re.compile(r"rtsps?://", re.IGNORECASE)


def base_of(request_url: str, headers: Headers) -> str:
    """Return the base URL of controls: the description's `Content-Base`, its `Content-Location`, or the request URL."""
    for name in ("Content-Base", "Content-Location"):
        value = headers.url(name) or ""
        if value.startswith("/"):
            return _root(request_url) + sendable(value)
        if _ABSOLUTE.match(value) and (clean := _without_credentials(value)):
            return clean
    return request_url


def control_urls(base: str, session_control: str | None, control: str | None) -> tuple[str, list[str]]:
    """Return the URL for PLAY (all streams together), and the candidates for SETUP, likeliest first."""
    aggregate = joined(base, session_control)
    if session_control is not None and _ABSOLUTE.match(session_control):
        base = aggregate
    return aggregate, list(dict.fromkeys((joined(base, control), _resolved(base, control))))


def joined(base: str, control: str | None) -> str:
    """Return the URL of a `control` as players build it; without one, or for `*`, this is the base."""
    if not control or control == "*":
        return base
    if _ABSOLUTE.match(control):
        return _without_credentials(control) or base
    control = sendable(control)
    if control.startswith("/"):
        path = urlsplit(base).path.rstrip("/")
        if path and (control == path or control.startswith((path + "/", path + "?"))):
            return _root(base) + control
    if control.startswith(("?", "/")) or base.endswith("/"):
        return base.removesuffix("/" if control.startswith("/") else "") + control
    return f"{base}/{control}"


def _resolved(base: str, control: str | None) -> str:
    """Return the URL by RFC 1808: beside the base, or below it if the base ends with a slash."""
    if not control or control == "*" or _ABSOLUTE.match(control):
        return joined(base, control)
    root = _root(base)
    try:
        parts = urlsplit(urljoin("http://host" + base.removeprefix(root), control))
    except ValueError:
        return joined(base, control)
    return root + sendable(parts.path + (f"?{parts.query}" if parts.query else ""))


def _without_credentials(url: str) -> str | None:
    """Return an absolute URL encoded for a request without credentials, or None if it is not an RTSP address."""
    try:
        address = RtspAddress.parse(url)
    except ValueError:
        return None
    _, _, rest = url.partition("://")
    place, slash, target = rest.partition("/")
    return sendable(f"{address.scheme}://{place.rpartition('@')[2]}{slash}{target}")


def _root(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split(r'[/?]', rest, maxsplit=1)[0]}"


USER_AGENT = "partstream"
CHANNELS = (0, 1)
"""Requested over TCP, for RTP and RTCP."""
DEFAULT_TIMEOUT_S = 60
MAX_KEEP_ALIVE_S = 30.0
"""Some firewalls forget idle connections before servers forget sessions."""
MAX_CHALLENGES = 3
"""Per request: the first challenge, one for a stale nonce, and one more for a nonce that is stale on arrival."""
MAX_UNANSWERED = 16
"""Unanswered requests that are remembered: some servers never answer keep-alives."""
METHODS = "OPTIONS, GET_PARAMETER, SET_PARAMETER, ANNOUNCE, REDIRECT"
"""Requests that a server may send."""

MAX_ECHO = 64
"""Characters of a CSeq that are returned to the server."""
REDIRECTS = (301, 302, 303, 305, 307, 308)

_SESSION = re.compile(r"([^;\s]{1,1024})(?![^;\s]).*", re.DOTALL)
_TIMEOUT = re.compile(r";\s*timeout\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """SETUP succeeded: packets may arrive at any time from now. PLAY is sent at once."""

    description: VideoDescription
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Playing:
    """PLAY succeeded."""


@dataclass(frozen=True, slots=True)
class Redirected:
    """The video is at another address: begin a new session there. The caller limits the number of redirects."""

    address: RtspAddress


@dataclass(frozen=True, slots=True)
class Closed:
    """The session has ended, by us or by the server."""


Event = Send | Prepared | Playing | Redirected | Closed


@dataclass(slots=True)
class _PendingRequest:
    """A request that was not answered yet."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    keeps_alive: bool = False
    authorised: bool = False
    """It was sent with credentials."""
    challenges: int = 0


class RtspSession:
    """The session of one connection. `client_ports`: RTP and RTCP, required for UDP.

    `receive` raises `SessionError` and `UnsupportedStreamError`. Close the connection after either, and after
    `Redirected` or `Closed`.
    """

    def __init__(
        self,
        address: RtspAddress,
        lower: Literal["tcp", "udp"],
        *,
        client_ports: tuple[int, int] | None = None,
        new_cnonce: Callable[[], str] = random_cnonce,
    ) -> None:
        if lower == "udp" and client_ports is None:
            raise ValueError("a session over UDP needs client_ports")
        self.description: VideoDescription | None = None
        """The video; None before the response to DESCRIBE."""
        self.keep_alive_after_s = min(DEFAULT_TIMEOUT_S / 2, MAX_KEEP_ALIVE_S)
        """How long after the last request a keep-alive is due; set by the server from `Playing` on."""
        self._address = address
        self._client_ports = client_ports if lower == "udp" else None
        self._credentials: Credentials | None = None
        if address.user is not None:
            self._credentials = Credentials(
                address.user, address.password or "", digest_only=address.digest_only, new_cnonce=new_cnonce
            )
        self._accepted = False
        """The server has accepted these credentials before."""
        self._sequence = 0
        self._unanswered: dict[int, _PendingRequest] = {}
        self._offers_get_parameter = False
        self._session: str | None = None
        self._aggregate_url = address.request_url
        self._media_urls = [address.request_url]
        """Candidate URLs for SETUP, likeliest first."""

    def begin(self) -> bytes:
        """Return the first request."""
        return self._request(_PendingRequest("OPTIONS", self._address.request_url))

    def keep_alive(self) -> bytes:
        """Return a request that keeps the session alive: GET_PARAMETER if the server offers it, else OPTIONS."""
        method = "GET_PARAMETER" if self._offers_get_parameter else "OPTIONS"
        return self._request(_PendingRequest(method, self._aggregate_url, keeps_alive=True))

    def tear_down(self) -> bytes:
        """Return the last request; there is no need to wait for its response."""
        return self._request(_PendingRequest("TEARDOWN", self._aggregate_url))

    def receive(self, message: Message) -> list[Event]:
        """Handle a response or request from the server. Raises `SessionError` and `UnsupportedStreamError`."""
        if isinstance(message, Request):
            return self._handle_request(message)
        if message.status < 200:
            return []
        pending = self._match_response(message.headers)
        if pending is None:
            return []
        if message.status == 401:
            return self._authenticate(pending, message.headers)
        self._accepted = self._accepted or pending.authorised
        if pending.keeps_alive:
            return self._handle_keep_alive(pending, message.status)
        if message.status in REDIRECTS and pending.method != "TEARDOWN":
            return [Redirected(self._redirect_target(message.headers))]
        match pending.method:
            case "OPTIONS":
                return self._handle_options(message)
            case "DESCRIBE":
                return self._handle_describe(message)
            case "SETUP":
                return self._handle_set_up(message)
            case "PLAY":
                return self._handle_play(message)
            case _:
                return [Closed()]

    def _request(self, pending: _PendingRequest) -> bytes:
        self._sequence += 1
        headers = [("CSeq", str(self._sequence)), ("User-Agent", USER_AGENT), *pending.headers]
        if self._session is not None:
            headers.append(("Session", self._session))
        shown = None if self._credentials is None else self._credentials.authorization(pending.method, pending.url)
        if shown is not None:
            headers.append(("Authorization", shown))
        pending.authorised = shown is not None
        self._unanswered[self._sequence] = pending
        if len(self._unanswered) > MAX_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]
        return encode_request(pending.method, pending.url, headers)

    def _match_response(self, headers: Headers) -> _PendingRequest | None:
        """Return the request that is answered: the oldest one if the CSeq is missing or wrong."""
        number = headers.get("CSeq") or ""
        sequence = int(number) if re.fullmatch(r"[0-9]{1,9}", number) else 0
        if sequence not in self._unanswered:
            sequence = next(iter(self._unanswered), 0)
        return self._unanswered.pop(sequence, None)

    def _authenticate(self, pending: _PendingRequest, headers: Headers) -> list[Event]:
        """Repeat the request with credentials, also during a session when a nonce is stale.

        Rejected credentials are not sent twice, unless the server reports a stale nonce or has accepted them before:
        cameras lock out clients after several attempts.
        """
        pending.challenges += 1
        credentials = self._credentials
        if (
            credentials is None
            or not credentials.challenged(headers.all("WWW-Authenticate"))
            or (pending.authorised and not (credentials.stale or self._accepted))
            or pending.challenges > MAX_CHALLENGES
        ):
            if pending.keeps_alive:  # packets still arrive for now
                return []
            raise AccessDeniedError("the server asks for credentials, or rejects the given ones")
        return [Send(self._request(pending))]

    def _handle_keep_alive(self, pending: _PendingRequest, status: int) -> list[Event]:
        if pending.method == "GET_PARAMETER" and status >= 300:
            self._offers_get_parameter = False
            return [Send(self.keep_alive())]
        return []

    def _redirect_target(self, headers: Headers) -> RtspAddress:
        location = headers.url("Location")
        try:
            if location:
                return self._address.redirected(location)
        except ValueError:
            pass
        raise ProtocolError("the server redirects to something other than an RTSP address")

    def _handle_options(self, answer: Response) -> list[Event]:
        """Continue with DESCRIBE whatever the response: some cameras do not support OPTIONS."""
        offered = ",".join(answer.headers.all("Public")).upper()
        self._offers_get_parameter = "GET_PARAMETER" in (method.strip() for method in offered.split(","))
        describe = _PendingRequest("DESCRIBE", self._address.request_url, (("Accept", "application/sdp"),))
        return [Send(self._request(describe))]

    def _handle_describe(self, answer: Response) -> list[Event]:
        _require_success("DESCRIBE", answer)
        self.description = describe_video(answer.body)
        base = base_of(self._address.request_url, answer.headers)
        self._aggregate_url, self._media_urls = control_urls(
            base, self.description.session_control, self.description.control
        )
        return [Send(self._request_set_up())]

    def _request_set_up(self) -> bytes:
        if self._client_ports is None:
            transport = "RTP/AVP/TCP;unicast;interleaved={}-{}".format(*CHANNELS)
        else:
            transport = "RTP/AVP;unicast;client_port={}-{}".format(*self._client_ports)
        return self._request(_PendingRequest("SETUP", self._media_urls[0], (("Transport", transport),)))

    def _handle_set_up(self, answer: Response) -> list[Event]:
        if answer.status in (400, 404) and len(self._media_urls) > 1:
            del self._media_urls[0]
            return [Send(self._request_set_up())]
        if answer.status == 461:
            raise LowerTransportError("the server does not send over the requested transport")
        _require_success("SETUP", answer)
        assert self.description is not None
        self._note_session(answer.headers)
        transport = answer.headers.get("Transport")
        if self._client_ports is None:
            delivery: Delivery = parse_interleaved_delivery(transport, CHANNELS)
        else:
            delivery = parse_udp_delivery(transport)
        return [Prepared(self.description, delivery), Send(self._request_play())]

    def _note_session(self, headers: Headers) -> None:
        found = _SESSION.match((headers.get("Session") or "").strip())
        if found is None:
            return
        self._session = found[1]
        if (timeout := _TIMEOUT.search(found[0])) and int(timeout[1]) > 0:
            self.keep_alive_after_s = min(int(timeout[1]) / 2, MAX_KEEP_ALIVE_S)

    def _request_play(self) -> bytes:
        return self._request(_PendingRequest("PLAY", self._aggregate_url, (("Range", "npt=0.000-"),)))

    def _handle_play(self, answer: Response) -> list[Event]:
        if answer.status in (404, 459, 460) and self._aggregate_url != self._media_urls[0]:
            # The server does not accept the aggregate URL: play the stream by its own.
            self._aggregate_url = self._media_urls[0]
            return [Send(self._request_play())]
        _require_success("PLAY", answer)
        self._note_session(answer.headers)
        return [Playing()]

    def _handle_request(self, request: Request) -> list[Event]:
        """Answer a request from the server."""
        match request.method:
            case "REDIRECT":
                return [self._reply(request, 200, "OK"), Redirected(self._redirect_target(request.headers))]
            case "TEARDOWN":
                return [self._reply(request, 200, "OK"), Closed()]
            case "OPTIONS" | "GET_PARAMETER" | "SET_PARAMETER" | "ANNOUNCE":
                return [self._reply(request, 200, "OK")]
            case _:
                return [self._reply(request, 501, "Not Implemented")]

    def _reply(self, request: Request, status: int, reason: str) -> Send:
        headers = [("CSeq", (request.headers.get("CSeq") or "0")[:MAX_ECHO])]
        if self._session is not None:
            headers.append(("Session", self._session))
        if request.method == "OPTIONS":
            headers.append(("Public", METHODS))
        return Send(encode_response(status, reason, headers))


def _require_success(method: str, answer: Response) -> None:
    if 200 <= answer.status < 300:
        return
    if answer.status == 403:
        raise AccessDeniedError("the server forbids access")
    if answer.status == 404:
        raise NoSuchPathError("the server has no such path")
    raise StatusError(method, answer.status)
