"""RtspFaults: what goes wrong with an RTSP camera, told apart where libav reports it alike."""

from __future__ import annotations

import contextlib
import errno
import socket
from urllib.parse import urlsplit

import av.error

from stream.settings.engine import CameraConfig
from stream.sources.errors import (
    BadAddressError,
    EndedError,
    NotAVideoError,
    NotFoundError,
    RefusedError,
    ServerError,
    SilentError,
    SourceError,
    StartTimeoutError,
    UnauthorisedError,
    UnknownHostError,
    UnreachableError,
)
from stream.sources.faults import Faults

DEFAULT_PORT = 554
PROBE_S = 1.0
"""How long a failed connection may be looked into."""


class RtspFaults(Faults):
    """Tells apart what libav reports alike, by looking at the host and port itself."""

    def __init__(self, config: CameraConfig) -> None:
        super().__init__(config.id, config.source, config.start_timeout_s, config.stall_timeout_s)
        self._udp = config.lower_transport == "udp"
        try:
            parts = urlsplit(config.source.reveal())
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host:
            raise BadAddressError(
                config.id, f"{config.source} isn't an RTSP address", "Write rtsp://[user:password@]host[:port]/path"
            )
        self._host, self._port = host, port or DEFAULT_PORT

    def opening(self, error: Exception, after_s: float) -> SourceError:
        """From the answer's status, else from what a bare connection to the same port shows."""
        if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
            return UnauthorisedError(
                self.camera,
                f"{self.address} asks for a user name and password, or doesn't take the ones given",
                "Write them into the address: rtsp://user:password@host/path (percent-encode special characters)",
            )
        if isinstance(error, av.error.HTTPNotFoundError):
            return NotFoundError(
                self.camera, f"the server has no {self.address}", "Check the path; the camera's manual names it"
            )
        if isinstance(error, av.error.HTTPError):
            return ServerError(
                self.camera,
                f"the server answered the request for {self.address} with an error ({name_of_status(error)})",
                "With lower_transport: udp try tcp; else look at the camera's own log",
            )
        if after_s >= 0.9 * self.start_timeout_s or isinstance(error, (av.error.ExitError, av.error.TimeoutError)):
            return self.not_open_in_time()
        return self._unreachable() or NotAVideoError(
            self.camera,
            f"what answers at {self.address} has no video, or isn't an RTSP server",
            "Check the path, which may name a stream of sound only, and the port, often 554 or 8554",
        )

    def not_open_in_time(self) -> SourceError:
        """A port that can be connected to is silent; else the host or the network between is at fault."""
        return self._unreachable() or SilentError(
            self.camera,
            f"{self.address} accepts connections and said nothing for {self.start_timeout_s:g} s",
            "Restart the camera, or check that the port is its RTSP port",
        )

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
        except ConnectionRefusedError:
            return RefusedError(
                self.camera, f"nothing listens at {self.address}", "Check host and port, and that the camera is on"
            )
        except (socket.gaierror, UnicodeError):
            return UnknownHostError(
                self.camera, f"the host of {self.address} has no known address", "Check its name, or use its IP address"
            )
        except TimeoutError:
            return StartTimeoutError(
                self.camera, f"{self.address} can't be connected to", "Check host and network, or raise start_timeout_s"
            )
        except OSError as error:
            why = errno.errorcode.get(error.errno or 0, "no route")
            return UnreachableError(
                self.camera, f"the host of {self.address} can't be reached ({why})", "Check the network"
            )


def name_of_status(error: av.error.HTTPError) -> str:
    """libav's short words for an answer's status, such as `Server returned 5XX Server Error reply`."""
    return error.strerror or "unknown status"
