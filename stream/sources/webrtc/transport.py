"""Transports of WebRTC cameras: one connection, read in the camera's thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future

import aiohttp
import av
from av.video.codeccontext import VideoCodecContext

from stream.settings.engine import CameraConfig
from stream.sources.addresses import bad_gateway, check_whip
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.errors import SourceError
from stream.sources.handover import HandoverClosedError
from stream.sources.loop_thread import LoopStoppedError, outcome
from stream.sources.transport import AccessUnit, StoppedError, Transport
from stream.sources.webrtc.end_reason import EndReason
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.publishers import Publishers
from stream.sources.webrtc.session import NegotiationError, Session
from stream.sources.webrtc.whep import GatewayError, Pull, parse_gateway

WAIT_S = 0.2
"""Time that a read waits for a picture before it returns to its caller."""
LIBAVCODEC_NAMES = {"VP8": "vp8", "H264": "h264"}


class WebRtcTransport(Transport):
    """Reads one session. `connect` creates it in the camera's thread, and may raise like `open`."""

    def __init__(
        self, diagnosis: WebRtcErrorDiagnosis, stopping: threading.Event, connect: Callable[[threading.Event], Session]
    ) -> None:
        super().__init__(diagnosis)
        self._diagnosis = diagnosis
        self._stopping = stopping
        self._connect = connect
        self._session: Session | None = None
        self._codec_name = ""
        self._first: AccessUnit | None = None

    def open(self) -> Transport:
        """Connect and wait for the first unit, which determines the codec."""
        self._session = self._connect(self._stopping)
        while not self._stopping.is_set():
            got = self._get()
            if got is not None:
                self._codec_name, self._first = got
                codec = av.CodecContext.create(LIBAVCODEC_NAMES[self._codec_name], "r")
                assert isinstance(codec, VideoCodecContext)
                self.codec = codec
                return self
        raise StoppedError

    def read(self) -> AccessUnit | None:
        """Return the next unit, in the order of sending."""
        if self._first is not None:
            unit, self._first = self._first, None
            return unit
        got = self._get()
        if got is None:
            return None
        codec, unit = got
        if codec != self._codec_name:
            raise self._diagnosis.other_codec()
        return unit

    def report_undecodable(self) -> None:
        """See `Transport`."""
        if self._session is not None:
            self._session.need_keyframe()

    def request_keyframe(self) -> None:
        """See `Transport`."""
        if self._session is not None:
            self._session.want_keyframe()

    def close(self) -> None:
        """End the session."""
        session, self._session = self._session, None
        if session is not None:
            session.close_soon("stopped")

    def _get(self) -> tuple[str, AccessUnit] | None:
        assert self._session is not None
        try:
            return self._session.handover.get(WAIT_S)
        except HandoverClosedError as closed:
            raise self._diagnosis.closed(closed.reason) from None


def whip_transport(config: CameraConfig, stopping: threading.Event, publishers: Publishers) -> WebRtcTransport:
    """Return the transport of a camera's next publisher. Raises `SourceError` unless the address is `whip`."""
    check_whip(config)
    return WebRtcTransport(
        PublisherErrorDiagnosis(config), stopping, lambda stopping: publishers.claim(config.id, stopping.is_set)
    )


def whep_transport(config: CameraConfig, stopping: threading.Event, peers: Peers) -> WebRtcTransport:
    """Return the transport of a gateway's video. Raises `SourceError` if the address is invalid."""
    try:
        gateway = parse_gateway(config.source.reveal())
    except ValueError:
        raise bad_gateway(config) from None
    diagnosis = GatewayErrorDiagnosis(config)

    def connect(stopping: threading.Event) -> Session:
        pull = Pull(peers, gateway)
        try:
            beginning = peers.submit(pull.begin(config.id, config.start_timeout_s, config.stall_timeout_s))
        except LoopStoppedError:
            raise StoppedError from None
        return _outcome(beginning, stopping, diagnosis)

    return WebRtcTransport(diagnosis, stopping, connect)


def _outcome(beginning: Future[Session], stopping: threading.Event, diagnosis: GatewayErrorDiagnosis) -> Session:
    """Wait until a connection begins, about 30 s at most. Raises `StoppedError` when `stopping` is set."""
    try:
        return outcome(beginning, stopping, lambda session: session.close_soon("stopped"))
    except StoppedError:
        raise
    except Exception as error:
        raise diagnosis.beginning(error) from None


class WebRtcErrorDiagnosis(ErrorDiagnosis):
    """Errors of both kinds of WebRTC cameras."""

    def __init__(self, config: CameraConfig) -> None:
        super().__init__(config.id, config.source, config.start_timeout_s, config.stall_timeout_s)

    def closed(self, reason: EndReason) -> SourceError:
        """Return the error for the end of a session."""
        match reason:
            case "stalled":
                return self.stalled()
            case "silent":
                return self.no_picture_in_time()
            case "unconnected":
                return self._error(
                    "unconnected",
                    f"no WebRTC connection with {self._sender_name} could be established",
                    "Allow UDP between the two, or set webrtc.ice_servers to a TURN server",
                )
            case "lost":
                return self._error(
                    "broken",
                    f"the WebRTC connection with {self._sender_name} was lost",
                    "Check the network between the two",
                )
            case "replaced":
                return self._error("ended", f"another publisher replaced {self._sender_name}", "No action is needed")
            case "left" | "stopped":
                return self._error("ended", f"{self._sender_name} has ended the session", "No action is needed")

    def other_codec(self) -> SourceError:
        """Return the error for a change of the video codec."""
        return self._error("broken", f"{self._sender_name} changed the video codec", "Connect again")

    @property
    def _sender_name(self) -> str:
        return f"the gateway {self.address}"


class PublisherErrorDiagnosis(WebRtcErrorDiagnosis):
    """Errors of cameras that publish to partstream."""

    @property
    def _sender_name(self) -> str:
        return "the publisher"

    def waiting_for(self) -> SourceError:
        """Return the error while no publisher is connected."""
        return self._error(
            "no_publisher", "waiting for a publisher", f"Publish to /whip/{self.camera} of the HTTP server"
        )

    def stalled(self) -> SourceError:
        """Return the error for a publisher that stopped sending."""
        return self._error(
            "stalled",
            f"no picture from the publisher for {self.stall_timeout_s:g} s",
            "Publish again, or raise stall_timeout_s if it is this slow",
        )

    def no_picture_in_time(self) -> SourceError:
        """Return the error for a connected publisher without a frame."""
        return self._error(
            "timeout",
            f"the publisher gave no picture within {self.start_timeout_s:g} s",
            "Check the publisher's log; it must send VP8 or H.264",
        )


class GatewayErrorDiagnosis(WebRtcErrorDiagnosis):
    """Errors of cameras that are fetched from a gateway."""

    def beginning(self, error: Exception) -> SourceError:
        """Return the error for an exception while negotiating."""
        match error:
            case GatewayError(status=401 | 403):
                return self._error(
                    "unauthorised",
                    f"{self.address} asks for credentials, or rejects the given ones",
                    "Write user and password, or a bearer token alone, into the address, before the host, "
                    "percent-encoding special characters",
                )
            case GatewayError(status=404):
                return self._error("not_found", f"the gateway has no {self.address}", "Check path and stream name")
            case GatewayError(status=status):
                return self._error(
                    "server_error",
                    f"{self.address} answered with status {status}",
                    "Check the gateway's log",
                )
            case NegotiationError():
                return self._error(
                    "not_a_video",
                    f"no video from {self.address}: {error}",
                    "Check that it is a WHEP endpoint",
                )
            case aiohttp.ClientConnectorDNSError() | socket.gaierror():
                return self._error(
                    "unknown_host",
                    f"the host name of {self.address} cannot be resolved",
                    "Check its name, or use its IP address",
                )
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
                return self._error(
                    "unreachable",
                    f"the certificate of {self.address} is not trusted",
                    "Install a trusted one on the gateway",
                )
            case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
                return self._error(
                    "refused",
                    f"nothing listens at {self.address}",
                    "Check host and port, and that it is on",
                )
            case aiohttp.ClientConnectorError():
                return self._error(
                    "unreachable",
                    f"no route to the host of {self.address}",
                    "Check the address and the network",
                )
            case TimeoutError():
                return self.not_open_in_time()
            case aiohttp.ClientError():
                return self._error(
                    "server_error",
                    f"{self.address} does not answer with HTTP",
                    "Check host, port and scheme",
                )
            case _:
                raise error
