"""RtspSession: one video asked for over RTSP, as a state machine. Messages in, bytes and events out.

OPTIONS comes first, as with every player: cameras are tested with it, and its answer says whether sessions are kept
alive with GET_PARAMETER. Then DESCRIBE, SETUP and PLAY, one request at a time: many cameras can't take two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from stream.sources.rtsp.protocol.address import RtspAddress
from stream.sources.rtsp.protocol.authentication import Credentials, random_cnonce
from stream.sources.rtsp.protocol.control_urls import base_of, control_urls
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
    RtpInfo,
    parse_interleaved_delivery,
    parse_rtp_info,
    parse_udp_delivery,
)

USER_AGENT = "partstream"
CHANNELS = (0, 1)
"""Asked for over TCP, for RTP and RTCP."""
DEFAULT_TIMEOUT_S = 60
LONGEST_KEEP_ALIVE_S = 30.0
"""Firewalls on the way forget idle connections earlier than some servers forget sessions."""
MOST_CHALLENGES = 3
"""For one request: to the first one, to a nonce that was too old, and to one more that was too old on its arrival."""
MOST_UNANSWERED = 16
"""Keep-alives that a server never answers, remembered in case it does."""
METHODS = "OPTIONS, GET_PARAMETER, SET_PARAMETER, ANNOUNCE, REDIRECT"
"""What a server may ask of us."""

LONGEST_ECHO = 64
"""Of what a server wants to hear again."""
REDIRECTS = (301, 302, 303, 305, 307, 308)

_SESSION = re.compile(r"([^;\s]{1,1024})(?![^;\s]).*", re.DOTALL)
_TIMEOUT = re.compile(r";\s*timeout\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Send:
    """These bytes are to be sent."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The server knows where to send: packets may come any time from now (PLAY is sent in the same breath)."""

    description: VideoDescription
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Playing:
    """PLAY was answered with yes."""

    description: VideoDescription
    delivery: Delivery
    rtp_info: RtpInfo | None


@dataclass(frozen=True, slots=True)
class Redirected:
    """Another server has it, or another path: a new session is to be begun there. How often is up to the caller."""

    address: RtspAddress


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over: `torn_down` by us, `ended` by the server."""

    reason: Literal["torn_down", "ended"]


Event = Send | Prepared | Playing | Redirected | Closed


@dataclass(slots=True)
class _Asked:
    """A request without its answer."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    keeps_alive: bool = False
    authorised: bool = False
    """It was sent with credentials."""
    challenges: int = 0


class RtspSession:
    """One connection's conversation. `client_ports`: RTP and RTCP, needed over UDP.

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
            raise ValueError("a session over UDP needs the ports that it receives on")
        self.description: VideoDescription | None = None
        """The video, once it is described."""
        self.keep_alive_after_s = min(DEFAULT_TIMEOUT_S / 2, LONGEST_KEEP_ALIVE_S)
        """How long after the last request a keep-alive is due; the server's own word from `Playing` on."""
        self._address = address
        self._client_ports = client_ports if lower == "udp" else None
        self._credentials: Credentials | None = None
        if address.user is not None:
            self._credentials = Credentials(
                address.user, address.password or "", digest_only=address.digest_only, new_cnonce=new_cnonce
            )
        self._accepted = False
        """The server has taken these credentials before."""
        self._sequence = 0
        self._unanswered: dict[int, _Asked] = {}
        self._offers_get_parameter = False
        self._session: str | None = None
        self._aggregate_url = address.request_url
        self._media_urls = [address.request_url]
        """What SETUP may have to name, likeliest first."""
        self._delivery: Delivery | None = None

    def begin(self) -> bytes:
        """The first request."""
        return self._ask(_Asked("OPTIONS", self._address.request_url))

    def keep_alive(self) -> bytes:
        """What keeps the session: GET_PARAMETER if the server offers it, else OPTIONS."""
        method = "GET_PARAMETER" if self._offers_get_parameter else "OPTIONS"
        return self._ask(_Asked(method, self._aggregate_url, keeps_alive=True))

    def tear_down(self) -> bytes:
        """The last request; its answer needn't be waited for."""
        return self._ask(_Asked("TEARDOWN", self._aggregate_url))

    def receive(self, message: Message) -> list[Event]:
        """Handle a response or a request of the server. Raises `SessionError` and `UnsupportedStreamError`."""
        if isinstance(message, Request):
            return self._requested(message)
        if message.status < 200:
            return []
        asked = self._answered(message.headers)
        if asked is None:
            return []
        if message.status == 401:
            return self._challenged(asked, message.headers)
        self._accepted = self._accepted or asked.authorised
        if asked.keeps_alive:
            return self._kept_alive(asked, message.status)
        if message.status in REDIRECTS and asked.method != "TEARDOWN":
            return [Redirected(self._elsewhere(message.headers))]
        match asked.method:
            case "OPTIONS":
                return self._options(message)
            case "DESCRIBE":
                return self._described(message)
            case "SETUP":
                return self._set_up(message)
            case "PLAY":
                return self._playing(message)
            case _:
                return [Closed("torn_down")]

    def _ask(self, asked: _Asked) -> bytes:
        self._sequence += 1
        headers = [("CSeq", str(self._sequence)), ("User-Agent", USER_AGENT), *asked.headers]
        if self._session is not None:
            headers.append(("Session", self._session))
        shown = None if self._credentials is None else self._credentials.authorization(asked.method, asked.url)
        if shown is not None:
            headers.append(("Authorization", shown))
        asked.authorised = shown is not None
        self._unanswered[self._sequence] = asked
        if len(self._unanswered) > MOST_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]
        return encode_request(asked.method, asked.url, headers)

    def _answered(self, headers: Headers) -> _Asked | None:
        """The request that is answered: the oldest if the answer doesn't say, or says what can't be."""
        number = headers.get("CSeq") or ""
        sequence = int(number) if re.fullmatch(r"[0-9]{1,9}", number) else 0
        if sequence not in self._unanswered:
            sequence = next(iter(self._unanswered), 0)
        return self._unanswered.pop(sequence, None)

    def _challenged(self, asked: _Asked, headers: Headers) -> list[Event]:
        """Ask again with credentials: also in the middle of a session, where a nonce grows too old.

        Refused credentials aren't shown twice, unless the server says that only the nonce was too old or has taken
        them before: cameras lock out who tries often.
        """
        asked.challenges += 1
        credentials = self._credentials
        if (
            credentials is None
            or not credentials.challenged(headers.all("WWW-Authenticate"))
            or (asked.authorised and not (credentials.stale or self._accepted))
            or asked.challenges > MOST_CHALLENGES
        ):
            if asked.keeps_alive:  # the pictures come all the same, for now
                return []
            raise AccessDeniedError("the server wants a name and password, or others")
        return [Send(self._ask(asked))]

    def _kept_alive(self, asked: _Asked, status: int) -> list[Event]:
        if asked.method == "GET_PARAMETER" and status >= 300:
            self._offers_get_parameter = False
            return [Send(self.keep_alive())]
        return []

    def _elsewhere(self, headers: Headers) -> RtspAddress:
        location = headers.url("Location")
        try:
            if location:
                return self._address.redirected(location)
        except ValueError:
            pass
        raise ProtocolError("it redirects to what is no RTSP address")

    def _options(self, answer: Response) -> list[Event]:
        """Whatever the answer: cameras that don't know OPTIONS have videos too."""
        offered = ",".join(answer.headers.all("Public")).upper()
        self._offers_get_parameter = "GET_PARAMETER" in (method.strip() for method in offered.split(","))
        describe = _Asked("DESCRIBE", self._address.request_url, (("Accept", "application/sdp"),))
        return [Send(self._ask(describe))]

    def _described(self, answer: Response) -> list[Event]:
        _require_success("DESCRIBE", answer)
        self.description = describe_video(answer.body)
        base = base_of(self._address.request_url, answer.headers)
        self._aggregate_url, self._media_urls = control_urls(
            base, self.description.session_control, self.description.control
        )
        return [Send(self._ask_set_up())]

    def _ask_set_up(self) -> bytes:
        if self._client_ports is None:
            transport = "RTP/AVP/TCP;unicast;interleaved={}-{}".format(*CHANNELS)
        else:
            transport = "RTP/AVP;unicast;client_port={}-{}".format(*self._client_ports)
        return self._ask(_Asked("SETUP", self._media_urls[0], (("Transport", transport),)))

    def _set_up(self, answer: Response) -> list[Event]:
        if answer.status in (400, 404) and len(self._media_urls) > 1:
            del self._media_urls[0]
            return [Send(self._ask_set_up())]
        if answer.status == 461:
            raise LowerTransportError("the server doesn't send over what was asked for")
        _require_success("SETUP", answer)
        assert self.description is not None
        self._note_session(answer.headers)
        transport = answer.headers.get("Transport")
        if self._client_ports is None:
            self._delivery = parse_interleaved_delivery(transport, CHANNELS)
        else:
            self._delivery = parse_udp_delivery(transport)
        return [Prepared(self.description, self._delivery), Send(self._ask_play())]

    def _note_session(self, headers: Headers) -> None:
        found = _SESSION.match((headers.get("Session") or "").strip())
        if found is None:
            return
        self._session = found[1]
        if (timeout := _TIMEOUT.search(found[0])) and int(timeout[1]) > 0:
            self.keep_alive_after_s = min(int(timeout[1]) / 2, LONGEST_KEEP_ALIVE_S)

    def _ask_play(self) -> bytes:
        return self._ask(_Asked("PLAY", self._aggregate_url, (("Range", "npt=0.000-"),)))

    def _playing(self, answer: Response) -> list[Event]:
        if answer.status in (404, 459, 460) and self._aggregate_url != self._media_urls[0]:
            # The server doesn't know the whole by the name that it should have, or won't play it as one.
            self._aggregate_url = self._media_urls[0]
            return [Send(self._ask_play())]
        _require_success("PLAY", answer)
        assert self.description is not None and self._delivery is not None
        self._note_session(answer.headers)
        rtp_info = parse_rtp_info(answer.headers.get("RTP-Info"), self._media_urls[0])
        return [Playing(self.description, self._delivery, rtp_info)]

    def _requested(self, request: Request) -> list[Event]:
        """Answer a request of the server."""
        match request.method:
            case "REDIRECT":
                return [self._reply(request, 200, "OK"), Redirected(self._elsewhere(request.headers))]
            case "TEARDOWN":
                return [self._reply(request, 200, "OK"), Closed("ended")]
            case "OPTIONS" | "GET_PARAMETER" | "SET_PARAMETER" | "ANNOUNCE":
                return [self._reply(request, 200, "OK")]
            case _:
                return [self._reply(request, 501, "Not Implemented")]

    def _reply(self, request: Request, status: int, reason: str) -> Send:
        headers = [("CSeq", (request.headers.get("CSeq") or "0")[:LONGEST_ECHO])]
        if self._session is not None:
            headers.append(("Session", self._session))
        if request.method == "OPTIONS":
            headers.append(("Public", METHODS))
        return Send(encode_response(status, reason, headers))


def _require_success(method: str, answer: Response) -> None:
    if 200 <= answer.status < 300:
        return
    if answer.status == 403:
        raise AccessDeniedError("the server forbids it")
    if answer.status == 404:
        raise NoSuchPathError("the server has no such path")
    raise StatusError(method, answer.status)
