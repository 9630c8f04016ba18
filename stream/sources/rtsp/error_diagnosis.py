"""RtspErrorDiagnosis: errors of RTSP cameras, including causes that FFmpeg does not tell apart."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl

import av.error

from stream.settings.engine import CameraConfig
from stream.sources.addresses import parse_rtsp
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.errors import SourceError
from stream.sources.rtp.packets import UnsupportedStreamError
from stream.sources.rtsp.connection import ConnectionClosedError
from stream.sources.rtsp.protocol.errors import (
    AccessDeniedError,
    LowerTransportError,
    NoSuchPathError,
    NoVideoError,
    OtherProtocolError,
    SessionError,
    StatusError,
)
from stream.sources.rtsp.trust import Trust, UntrustedCertificateError, UnusableCertificatesError

PROBE_S = 1.0
"""Time limit for a test connection that finds the cause of an error."""


UNSUPPORTED_MEANINGS = {
    "codec": "native RTSP reads H.264 and H.265",
    "encrypted": "its packets are encrypted",
    "interleaving": "its packets are interleaved",
    "packetisation": "its packet types are not supported",
    "clock_rate": "its RTP clock rate is not 90 kHz",
    "multicast": "it sends by multicast only",
    "protocol": "its RTSP messages are not understood",
    "status": "it answers requests with an error",
}
"""What native RTSP does not support, by code."""


class NativeUnsupportedError(SourceError):
    """Native RTSP does not support the camera. `code` is the reason for metrics."""

    def __init__(self, camera: str, what: str, remedy: str, code: str) -> None:
        super().__init__("broken", camera, what, remedy)
        self.code = code


class RtspErrorDiagnosis(ErrorDiagnosis):
    """Errors of one camera. Where FFmpeg reports several causes alike, a test connection finds the cause."""

    def __init__(self, config: CameraConfig) -> None:
        super().__init__(config.id, config.source, config.start_timeout_s, config.stall_timeout_s)
        self._udp = config.lower_transport == "udp"
        self._unsupported_remedy = "Try transport: ffmpeg"
        if config.tls_fingerprint is not None:
            self._unsupported_remedy += ", with tls_certificates instead of tls_fingerprint"
        address = parse_rtsp(config)
        self._host, self._port = address.host, address.port
        self._trust = Trust(config.tls_certificates, config.tls_fingerprint) if address.scheme == "rtsps" else None

    def opening(self, error: Exception, after_s: float) -> SourceError:
        """Return the error for an exception while opening, from the response's status or a test connection."""
        if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
            return self._unauthorised()
        if isinstance(error, av.error.HTTPNotFoundError):
            return self._not_found()
        if isinstance(error, av.error.HTTPError):
            return self._server_error(name_of_status(error))
        if after_s >= 0.9 * self.start_timeout_s or isinstance(error, (av.error.ExitError, av.error.TimeoutError)):
            return self.not_open_in_time()
        return self._unreachable() or self._untrusted() or self._not_a_video()

    def native_opening_failed(self, error: Exception, *, connected: bool, answered: bool) -> SourceError:
        """Return the error for an exception while native RTSP opened; raise the exception itself if it is unknown.

        `connected`: whether the server accepted the connection; `answered`: whether it sent anything.
        """
        match error:
            case AccessDeniedError():
                return self._unauthorised()
            case NoSuchPathError():
                return self._not_found()
            case NoVideoError() | OtherProtocolError():
                return self._not_a_video()
            case LowerTransportError():
                return self._server_error("it does not send over TCP")
            case ConnectionClosedError():
                return self._server_error("it closed the connection")
            case TimeoutError():
                if answered:
                    return self._partly_silent()
                return self._silent() if connected else self._connect_timeout()
            case UnusableCertificatesError():
                return self._unusable_certificates(error)
            case UntrustedCertificateError() | ssl.SSLCertVerificationError():
                return self._untrusted_certificate()
            case ssl.SSLError():
                return self._server_error("it does not use TLS")
            case OSError():
                return self._connect_error(error)
        return self.session_ended(error)

    def session_ended(self, error: Exception | None) -> SourceError:
        """Return the error for what ended a native RTSP session. None means that the server ended it."""
        match error:
            case None:
                return self.ended()
            case UnsupportedStreamError():
                return self._unsupported(error.reason)
            case StatusError() if error.status >= 500:  # it may be starting, or have too many clients
                return self._server_error(f"status {error.status} to {error.method}")
            case StatusError():
                return self._unsupported("status", f"it answers {error.method} with status {error.status}")
            case SessionError():
                return self._unsupported("protocol")
            case OSError():
                return self.ended()
        raise error

    def not_open_in_time(self) -> SourceError:
        """Return the error for a source that was not open in time: the host is unreachable, or the server silent."""
        return self._unreachable() or self._silent()

    def ended(self) -> SourceError:
        """Return the error for the end of the stream: since a camera's has none, its server closed the connection."""
        return self._error(
            "ended",
            f"the server of {self.address} closed the connection",
            "If this continues, check the camera",
        )

    def redirected(self) -> SourceError:
        """Return the error for a redirect, which the FFmpeg backend does not follow."""
        return self._error(
            "server_error",
            f"the server redirects {self.address}",
            "Use its address, or transport: native, which follows",
        )

    def no_picture_in_time(self) -> SourceError:
        """Return the error for an open source without a frame; over UDP, a firewall is the most common cause."""
        if not self._udp:
            return super().no_picture_in_time()
        return self._error(
            "timeout",
            f"{self.address} is open but no picture arrived over UDP within {self.start_timeout_s:g} s",
            "Allow UDP in the firewall, or use lower_transport: tcp",
        )

    def _unreachable(self) -> SourceError | None:
        """Return why a TCP connection fails, or None if it succeeds."""
        try:
            with contextlib.closing(socket.create_connection((self._host, self._port), PROBE_S)):
                return None
        except (OSError, UnicodeError) as error:
            return self._connect_error(error)

    def _untrusted(self) -> SourceError | None:
        """Return why a TLS connection fails, or None if it succeeds or TLS is not used."""
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
            return self._server_error("it does not use TLS")
        except (OSError, UnicodeError):
            return None

    def _untrusted_certificate(self) -> SourceError:
        return self._error(
            "untrusted",
            f"the certificate of {self.address} is not trusted",
            "Set tls_certificates to a file with the camera's certificate, or tls_fingerprint to its SHA-256",
        )

    def _unusable_certificates(self, error: Exception) -> SourceError:
        return self._error(
            "untrusted",
            f"the file of tls_certificates cannot be used ({error})",
            "Set it to a readable file of certificates in PEM format",
        )

    def _connect_error(self, error: Exception) -> SourceError:
        """Return the error for an exception while connecting."""
        match error:
            case ConnectionRefusedError():
                return self._error(
                    "refused",
                    f"nothing listens at {self.address}",
                    "Check host and port, and that the camera is on",
                )
            case socket.gaierror() | UnicodeError():
                return self._error(
                    "unknown_host",
                    f"the host name of {self.address} cannot be resolved",
                    "Check its name, or use its IP address",
                )
            case TimeoutError():
                return self._connect_timeout()
        why = errno.errorcode.get(getattr(error, "errno", 0) or 0, "no route")
        return self._error(
            "unreachable",
            f"no route to the host of {self.address} ({why})",
            "Check the address and the network",
        )

    def _connect_timeout(self) -> SourceError:
        return self._error(
            "timeout",
            f"connecting to {self.address} timed out",
            "Check host and network, or raise start_timeout_s",
        )

    def _silent(self) -> SourceError:
        return self._error(
            "silent",
            f"{self.address} accepts connections but did not answer for {self.start_timeout_s:g} s",
            "Restart the camera, or check that the port is its RTSP port",
        )

    def _partly_silent(self) -> SourceError:
        return self._error(
            "silent",
            f"{self.address} did not answer all requests within {self.start_timeout_s:g} s",
            "Restart the camera, or raise start_timeout_s",
        )

    def _unauthorised(self) -> SourceError:
        return self._error(
            "unauthorised",
            f"{self.address} asks for a user name and password, or rejects the given ones",
            "Write user and password into the address, before the host, percent-encoding special characters; if they "
            "are right, let the camera use Digest with MD5 or SHA-256",
        )

    def _not_found(self) -> SourceError:
        return self._error("not_found", f"the server has no {self.address}", "Check the path; see the camera's manual")

    def _not_a_video(self) -> SourceError:
        return self._error(
            "not_a_video",
            f"{self.address} has no video, or is not an RTSP server",
            "Check the path, which may lead to an audio stream, and the port, often 554 or 8554",
        )

    def _server_error(self, how: str) -> SourceError:
        return self._error(
            "server_error",
            f"the server answered the request for {self.address} with an error ({how})",
            "If lower_transport is udp, try tcp; otherwise check the camera's log",
        )

    def _unsupported(self, code: str, why: str | None = None) -> NativeUnsupportedError:
        return NativeUnsupportedError(
            self.camera,
            f"{self.address} cannot be read by native RTSP: {why or UNSUPPORTED_MEANINGS[code]}",
            self._unsupported_remedy,
            code,
        )


def name_of_status(error: av.error.HTTPError) -> str:
    """Return FFmpeg's text for a response's status, such as `Server returned 5XX Server Error reply`."""
    return error.strerror or "unknown status"
