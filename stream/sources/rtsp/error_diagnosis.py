"""RtspErrorDiagnosis: what goes wrong with an RTSP camera, told apart where libav reports it alike."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl

import av.error

from stream.settings.engine import CameraConfig
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.errors import (
    BadAddressError,
    BrokenError,
    EndedError,
    NotAVideoError,
    NotFoundError,
    RefusedError,
    ServerError,
    SilentError,
    SourceError,
    StalledError,
    StartTimeoutError,
    UnauthorisedError,
    UnknownHostError,
    UnreachableError,
    UntrustedError,
)
from stream.sources.rtp.errors import UnsupportedStreamError
from stream.sources.rtsp.connection import ConnectionClosedError
from stream.sources.rtsp.protocol.address import RtspAddress
from stream.sources.rtsp.protocol.errors import (
    AccessDeniedError,
    LowerTransportError,
    NoSuchPathError,
    NoVideoError,
    SessionError,
    StatusError,
)
from stream.sources.rtsp.trust import Trust, UntrustedCertificateError, UnusableCertificatesError

PROBE_S = 1.0
"""How long a failed connection may be looked into."""


UNSUPPORTED_MEANINGS = {
    "codec": "native RTSP reads H.264 and H.265",
    "encrypted": "its packets are encrypted",
    "interleaving": "its packets are interleaved",
    "packetisation": "its packets are of a kind that native RTSP doesn't read",
    "clock_rate": "its clock isn't RTP's usual one for video",
    "multicast": "it sends by multicast only",
    "protocol": "its RTSP can't be followed",
    "status": "it answers requests with an error",
    "no_recovery_point": "nothing in its stream says where decoding may begin",
}
"""What the wire doesn't speak, by code."""


class NativeUnsupportedError(BrokenError):
    """The wire doesn't speak what the camera does; `code` says what, for metrics."""

    def __init__(self, camera: str, what: str, remedy: str, code: str) -> None:
        super().__init__(camera, what, remedy)
        self.code = code


class RtspErrorDiagnosis(ErrorDiagnosis):
    """From what the wire and libav raise to what the user is told. What libav reports alike is told apart by looking at
    the host and port."""

    def __init__(self, config: CameraConfig) -> None:
        super().__init__(config.id, config.source, config.start_timeout_s, config.stall_timeout_s)
        self._udp = config.lower_transport == "udp"
        self._unspoken_remedy = "Set transport: auto, or ffmpeg"
        if config.tls_fingerprint is not None:
            self._unspoken_remedy = "Try transport: ffmpeg, with tls_certificates instead of tls_fingerprint"
        elif config.transport == "auto":
            self._unspoken_remedy = "If it goes on, set transport: ffmpeg"
        try:
            address = RtspAddress.parse(config.source.reveal())
        except ValueError:
            raise BadAddressError(
                config.id, f"{config.source} isn't an RTSP address", "Write rtsp://[user:password@]host[:port]/path"
            ) from None
        self._host, self._port = address.host, address.port
        self._trust = Trust(config.tls_certificates, config.tls_fingerprint) if address.scheme == "rtsps" else None

    def opening(self, error: Exception, after_s: float) -> SourceError:
        """From the answer's status, else from what a bare connection to the same port shows."""
        if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
            return self._unauthorised()
        if isinstance(error, av.error.HTTPNotFoundError):
            return self._not_found()
        if isinstance(error, av.error.HTTPError):
            return self._answered(name_of_status(error))
        if after_s >= 0.9 * self.start_timeout_s or isinstance(error, (av.error.ExitError, av.error.TimeoutError)):
            return self.not_open_in_time()
        return self._unreachable() or self._untrusted() or self._not_a_video()

    def native_opening_failed(self, error: Exception, *, connected: bool, answered: bool) -> SourceError:
        """What opening at the wire raised; raises `error` itself if nothing is known of its kind. `connected`: whether
        the server took our connection before; `answered`: whether it said anything."""
        match error:
            case AccessDeniedError():
                return self._unauthorised()
            case NoSuchPathError():
                return self._not_found()
            case NoVideoError():
                return self._not_a_video()
            case LowerTransportError():
                return self._answered("it doesn't send over TCP")
            case ConnectionClosedError():
                return self._answered("it closed the connection")
            case TimeoutError():
                if answered:
                    return self._falls_silent()
                return self._silent() if connected else self._cannot_be_connected_to()
            case UnusableCertificatesError():
                return self._unusable_certificates(error)
            case UntrustedCertificateError() | ssl.SSLCertVerificationError():
                return self._untrusted_certificate()
            case ssl.SSLError():
                return self._answered("it doesn't speak TLS")
            case OSError():
                return self._connecting(error)
        return self.session_ended(error)

    def session_ended(self, error: Exception | None) -> SourceError:
        """What ended a session at the wire: None if the server did."""
        match error:
            case None:
                return self.ended()
            case UnsupportedStreamError():
                return self._unspoken(error.reason)
            case StatusError() if error.status >= 500:  # it may be starting, or have too many clients
                return self._answered(f"status {error.status} to {error.method}")
            case StatusError():
                return self._unspoken("status", f"it answers {error.method} with status {error.status}")
            case SessionError():
                return self._unspoken("protocol")
            case OSError():
                return self.ended()
        raise error

    def no_recovery(self, after_s: float) -> SourceError:
        """Packets come, and decoding can't begin with any of them."""
        return StalledError(
            self.camera,
            f"stalled: no recovery point from {self.address} for {after_s:g} s",
            "Shorten the camera's keyframe interval",
        )

    def no_recovery_at_first(self) -> NativeUnsupportedError:
        """The same, and there never was one."""
        return self._unspoken("no_recovery_point")

    def not_open_in_time(self) -> SourceError:
        """A port that can be connected to is silent; else the host or the network between is at fault."""
        return self._unreachable() or self._silent()

    def ended(self) -> SourceError:
        """A camera doesn't end: its server closed the connection, or died."""
        return EndedError(
            self.camera, f"the server of {self.address} closed the connection", "If it goes on, look at the camera"
        )

    def no_picture_in_time(self) -> SourceError:
        """Over UDP the commonest cause is a firewall."""
        if not self._udp:
            return super().no_picture_in_time()
        return StartTimeoutError(
            self.camera,
            f"{self.address} is open and no picture came over UDP within {self.start_timeout_s:g} s",
            "Let UDP through the firewall, or use lower_transport: tcp",
        )

    def _unreachable(self) -> SourceError | None:
        """Why a bare TCP connection fails; None if it doesn't."""
        try:
            with contextlib.closing(socket.create_connection((self._host, self._port), PROBE_S)):
                return None
        except (OSError, UnicodeError) as error:
            return self._connecting(error)

    def _untrusted(self) -> SourceError | None:
        """Why a bare TLS connection fails; None if it doesn't, or there is to be none."""
        if self._trust is None:
            return None
        try:
            context = self._trust.context()
            with (
                socket.create_connection((self._host, self._port), PROBE_S) as plain,
                context.wrap_socket(plain, server_hostname=self._host),
            ):
                return None
        except UnusableCertificatesError as error:
            return self._unusable_certificates(error)
        except ssl.SSLCertVerificationError:
            return self._untrusted_certificate()
        except ssl.SSLError:
            return self._answered("it doesn't speak TLS")
        except (OSError, UnicodeError):
            return None

    def _untrusted_certificate(self) -> SourceError:
        return UntrustedError(
            self.camera,
            f"the certificate of {self.address} isn't trusted",
            "Set tls_certificates to a file with the camera's certificate, or tls_fingerprint to its SHA-256",
        )

    def _unusable_certificates(self, error: Exception) -> SourceError:
        return UntrustedError(
            self.camera,
            f"the file of tls_certificates is of no use ({error})",
            "Give a file of certificates in PEM that may be read",
        )

    def _connecting(self, error: Exception) -> SourceError:
        """What connecting raised."""
        match error:
            case ConnectionRefusedError():
                return RefusedError(
                    self.camera, f"nothing listens at {self.address}", "Check host and port, and that the camera is on"
                )
            case socket.gaierror() | UnicodeError():
                return UnknownHostError(
                    self.camera,
                    f"the host of {self.address} has no known address",
                    "Check its name, or use its IP address",
                )
            case TimeoutError():
                return self._cannot_be_connected_to()
        why = errno.errorcode.get(getattr(error, "errno", 0) or 0, "no route")
        return UnreachableError(
            self.camera, f"the host of {self.address} can't be reached ({why})", "Check the network"
        )

    def _cannot_be_connected_to(self) -> SourceError:
        return StartTimeoutError(
            self.camera, f"{self.address} can't be connected to", "Check host and network, or raise start_timeout_s"
        )

    def _silent(self) -> SourceError:
        return SilentError(
            self.camera,
            f"{self.address} accepts connections and said nothing for {self.start_timeout_s:g} s",
            "Restart the camera, or check that the port is its RTSP port",
        )

    def _falls_silent(self) -> SourceError:
        return SilentError(
            self.camera,
            f"{self.address} answers, and not all that it is asked within {self.start_timeout_s:g} s",
            "Restart the camera, or raise start_timeout_s",
        )

    def _unauthorised(self) -> SourceError:
        return UnauthorisedError(
            self.camera,
            f"{self.address} asks for a user name and password, or doesn't take the ones given",
            "Write them into the address: rtsp://user:password@host/path (percent-encode special characters)",
        )

    def _not_found(self) -> SourceError:
        return NotFoundError(
            self.camera, f"the server has no {self.address}", "Check the path; the camera's manual names it"
        )

    def _not_a_video(self) -> SourceError:
        return NotAVideoError(
            self.camera,
            f"what answers at {self.address} has no video, or isn't an RTSP server",
            "Check the path, which may name a stream of sound only, and the port, often 554 or 8554",
        )

    def _answered(self, how: str) -> SourceError:
        return ServerError(
            self.camera,
            f"the server answered the request for {self.address} with an error ({how})",
            "With lower_transport: udp try tcp; else look at the camera's own log",
        )

    def _unspoken(self, code: str, why: str | None = None) -> NativeUnsupportedError:
        return NativeUnsupportedError(
            self.camera,
            f"{self.address} can't be read by native RTSP: {why or UNSUPPORTED_MEANINGS[code]}",
            self._unspoken_remedy,
            code,
        )


def name_of_status(error: av.error.HTTPError) -> str:
    """libav's short words for an answer's status, such as `Server returned 5XX Server Error reply`."""
    return error.strerror or "unknown status"
