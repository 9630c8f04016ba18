"""A small RTSP server that sends given RTP packets over TCP or UDP, and misbehaves as scripted."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
import re
import secrets
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

from support.rtp.packetiser import PAYLOAD_TYPE, TimedPacket
from support.rtp.stream_corpus import RTP_CLOCK, CorpusStream
from support.rtp.udp_relay import Pair, bind_pair

_SENDER_REPORT = 200
"""The second byte of a report. RTP packets with a payload type of 96 and above have another."""
_PARAMETER = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,;]+))')


@dataclass(frozen=True)
class Request:
    """One request of a client. Header names are in lower case."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass
class ScriptedRtspServer:
    """`with ScriptedRtspServer(packets, description_of(stream)) as server: open(server.url())`.

    Everything except `tls` may be changed while it runs. Each client gets all packets from the first on, at their
    times. Sender reports among them are sent on the channel or port of reports.

    * `lower`: supported lower transports; others are answered with 461.
    * `login`: user and password, required for each request by `scheme`; `renew_nonce` makes the current nonce stale.
    * `redirect`: DESCRIBE is answered with 302 and this address.
    * `session_timeout_s`: announced to clients. `ends_sessions_after_s`: a client that sends no request for this long
      is disconnected.
    * `keep_alive`: status of the response to GET_PARAMETER, which is offered only if it is 200.
    * `silent`: requests are answered, but no packet is sent; "udp": none over UDP.
    """

    packets: Sequence[TimedPacket]
    description: str
    lower: frozenset[str] = frozenset({"tcp", "udp"})
    login: tuple[str, str] | None = None
    scheme: Literal["basic", "md5", "sha256"] = "md5"
    redirect: str | None = None
    session_timeout_s: float | None = None
    ends_sessions_after_s: float | None = None
    keep_alive: int = 200
    silent: Literal[False, True, "udp"] = False
    tls: ssl.SSLContext | None = None
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    """All requests so far."""
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))

    def __enter__(self) -> ScriptedRtspServer:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-rtsp")
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, user: str | None = None, password: str | None = None, path: str = "/cam") -> str:
        """Return its address."""
        login = f"{user}:{password}@" if user is not None else ""
        return f"rtsp{'s' if self.tls else ''}://{login}127.0.0.1:{self.port}{path}"

    def methods(self) -> list[str]:
        """Return the methods of all requests so far."""
        return [request.method for request in self.requests]

    def say(self, data: bytes) -> None:
        """Send something to every client: a request, or garbage."""
        for connection in list(self._connections):
            self._loop.call_soon_threadsafe(connection.writer.write, data)

    def renew_nonce(self) -> None:
        """Make the current nonce stale."""
        self.nonce = secrets.token_hex(8)

    def hang_up(self) -> None:
        """Close every connection."""
        for connection in list(self._connections):
            self._loop.call_soon_threadsafe(connection.writer.close)

    @property
    def connections(self) -> int:
        """The number of connected clients."""
        return len(self._connections)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            await connection.serve()
        connection.close()
        self._connections.discard(connection)
        self._tasks.discard(task)


class _Connection:
    """The connection of one client: its requests, session and playback."""

    def __init__(self, server: ScriptedRtspServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self.writer = writer
        self._session = secrets.token_hex(4)
        self._channel: int | None = None
        self._client_ports: tuple[int, int] | None = None
        self._sockets: Pair | None = None
        self._playback: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Answer until the client disconnects, tears down, or sends nothing for too long."""
        while True:
            timeout = self._server.ends_sessions_after_s if self._playback is not None else None
            try:
                request = await asyncio.wait_for(self._request(), timeout)
            except TimeoutError:
                return
            self._server.requests.append(request)
            if not self._allowed(request):
                continue
            self._answer(request)
            await self.writer.drain()
            if request.method == "TEARDOWN":
                return

    def close(self) -> None:
        """End the playback, and close all sockets."""
        if self._playback is not None:
            self._playback.cancel()
        for one in self._sockets or ():
            one.close()
        self.writer.close()

    async def _request(self) -> Request:
        while True:
            start = await self._reader.readexactly(1)
            if start == b"$":  # a receiver report
                rest = await self._reader.readexactly(3)
                await self._reader.readexactly(int.from_bytes(rest[1:], "big"))
                continue
            head = (start + await self._reader.readuntil(b"\r\n\r\n")).decode().strip()
            first, *lines = head.split("\r\n")
            if first.startswith("RTSP/"):  # the response to a request of the server
                continue
            method, url, _ = first.split(" ")
            headers = {
                name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            await self._reader.readexactly(int(headers.get("content-length", 0)))
            return Request(method, url, headers)

    def _send(self, request: Request, status: str, headers: Sequence[str] = (), body: str = "") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {request.headers.get('cseq', '')}", *headers]
        if body:
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _allowed(self, request: Request) -> bool:
        basic = self._server.scheme == "basic"
        if self._server.login is None or authorised(
            request, *self._server.login, None if basic else self._server.nonce
        ):
            return True
        if basic:
            challenge = 'Basic realm="scripted"'
        else:
            algorithm = ", algorithm=SHA-256" if self._server.scheme == "sha256" else ""
            stale = ", stale=true" if "authorization" in request.headers else ""
            challenge = f'Digest realm="scripted", nonce="{self._server.nonce}", qop="auth"{algorithm}{stale}'
        self._send(request, "401 Unauthorized", [f"WWW-Authenticate: {challenge}"])
        return False

    def _answer(self, request: Request) -> None:
        server = self._server
        timeout = f";timeout={server.session_timeout_s:.0f}" if server.session_timeout_s else ""
        session = f"Session: {self._session}{timeout}"
        match request.method:
            case "OPTIONS":
                offered = ", GET_PARAMETER" if server.keep_alive == 200 else ""
                self._send(request, "200 OK", [f"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN{offered}"])
            case "DESCRIBE" if server.redirect is not None:
                self._send(request, "302 Found", [f"Location: {server.redirect}"])
            case "DESCRIBE":
                self._send(request, "200 OK", [f"Content-Base: {request.url.rstrip('/')}/"], server.description)
            case "SETUP":
                transport = self._set_up(request.headers.get("transport", ""))
                if transport is None:
                    self._send(request, "461 Unsupported Transport")
                else:
                    self._send(request, "200 OK", [f"Transport: {transport}", session])
            case "PLAY":
                self._send(request, "200 OK", [session, "Range: npt=0.000-"])
                self._playback = asyncio.ensure_future(self._play())
            case "GET_PARAMETER" if server.keep_alive != 200:
                self._send(request, f"{server.keep_alive} No")
            case "GET_PARAMETER" | "SET_PARAMETER" | "TEARDOWN":
                self._send(request, "200 OK", [session])
            case _:
                self._send(request, "501 Not Implemented")

    def _set_up(self, transport: str) -> str | None:
        """Return the Transport header of the response, or None for an unsupported transport."""
        lower = "tcp" if "RTP/AVP/TCP" in transport else "udp"
        if lower not in self._server.lower:
            return None
        if lower == "tcp":
            found = re.search(r"interleaved=(\d+)", transport)
            self._channel = int(found[1]) if found else 0
            return f"RTP/AVP/TCP;unicast;interleaved={self._channel}-{self._channel + 1}"
        found = re.search(r"client_port=(\d+)-(\d+)", transport)
        if found is None:
            return None
        self._client_ports = int(found[1]), int(found[2])
        self._sockets = bind_pair()
        first = self._sockets[0].getsockname()[1]
        return f"RTP/AVP;unicast;client_port={found[1]}-{found[2]};server_port={first}-{first + 1}"

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for at, together in itertools.groupby(self._server.packets, lambda packet: packet.at):
            await asyncio.sleep(began + at / RTP_CLOCK - loop.time())
            for packet in together:
                self._send_packet(packet.data)

    def _send_packet(self, packet: bytes) -> None:
        if self._server.silent is True or (self._server.silent == "udp" and self._channel is None):
            return
        kind = packet[1] == _SENDER_REPORT
        if self._channel is not None:
            self.writer.write(b"$" + bytes([self._channel + kind]) + len(packet).to_bytes(2, "big") + packet)
        elif self._sockets is not None and self._client_ports is not None:
            with contextlib.suppress(OSError):
                self._sockets[kind].sendto(packet, ("127.0.0.1", self._client_ports[kind]))


def description_of(stream: CorpusStream, parameter_sets: bool = True, control: str = "trackID=0") -> str:
    """Return a session description for a stream."""
    sets = [base64.b64encode(nal).decode() for nal in stream.parameter_sets]
    if stream.codec == "h264":
        coding, parameters = "H264", "packetization-mode=1"
        sprop = f";sprop-parameter-sets={','.join(sets)}"
    else:
        coding, parameters = "H265", "profile-id=1"
        sprop = "".join(f";sprop-{kind}={given}" for kind, given in zip(("vps", "sps", "pps"), sets, strict=True))
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=scripted",
        "t=0 0",
        "a=control:*",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        "c=IN IP4 0.0.0.0",
        f"a=rtpmap:{PAYLOAD_TYPE} {coding}/{RTP_CLOCK}",
        f"a=fmtp:{PAYLOAD_TYPE} {parameters}{sprop if parameter_sets else ''}",
        f"a=control:{control}",
    ]
    return "\r\n".join(lines) + "\r\n"


def authorised(request: Request, user: str, password: str, nonce: str | None) -> bool:
    """Return whether a request has the right credentials: Basic without a nonce, else Digest with or without qop."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if nonce is None or scheme != "Digest":
        return nonce is None and scheme == "Basic" and base64.b64decode(given).decode() == f"{user}:{password}"
    values = {name: quoted or bare for name, quoted, bare in _PARAMETER.findall(given)}

    def digest(*parts: str) -> str:
        make = hashlib.sha256 if values.get("algorithm", "").upper() == "SHA-256" else hashlib.md5
        return make(":".join(parts).encode()).hexdigest()

    if (values.get("username"), values.get("nonce")) != (user, nonce):
        return False
    secret, asked = digest(user, values["realm"], password), digest(request.method, values["uri"])
    middle = (values["nc"], values["cnonce"], values["qop"]) if "qop" in values else ()
    return values.get("response") == digest(secret, nonce, *middle, asked)
