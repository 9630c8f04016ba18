"""RtspAddress: where a camera is and who asks, taken apart. Prints without its credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote, urljoin, urlsplit

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
_SENT_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~|{}^`\\\"<>"
_NAME = re.compile(r"[A-Za-z0-9._~-]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class RtspAddress:
    """One server, one path on it, and perhaps credentials. Make it with `parse`."""

    scheme: str
    """`rtsp` or `rtsps`."""
    host: str
    """Without brackets, also an IPv6 one; with its zone, if it has one."""
    port: int
    target: str = field(repr=False)
    """Path and query, percent-encoded, from the first slash on. Cameras carry secrets in both."""
    user: str | None = field(default=None, repr=False)
    """Percent-decoded; None if the address has no `@`."""
    password: str | None = field(default=None, repr=False)
    digest_only: bool = False
    """Another host than the configured one asks, or a plain connection: the password itself isn't for it."""

    @classmethod
    def parse(cls, address: str) -> RtspAddress:
        """From `rtsp[s]://[user[:password]@]host[:port][/path][?query]`. Raises ValueError, which quotes nothing."""
        if not address.isprintable():
            raise ValueError("an RTSP address has printable characters only")
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("not an RTSP address") from None
        scheme = parts.scheme.lower()
        if scheme not in DEFAULT_PORTS or not host or port == 0:
            raise ValueError("not an RTSP address")
        login, at, _ = parts.netloc.rpartition("@")
        user, _, password = (unquote(text) for text in login.partition(":"))
        if not user.isprintable():
            raise ValueError("a user name has printable characters only")
        return cls(
            scheme,
            _host(host),
            port or DEFAULT_PORTS[scheme],
            _target(parts.path, parts.query),
            user if at else None,
            password if at else None,
        )

    @property
    def place(self) -> str:
        """Host and port as they stand in a URL: brackets around IPv6, no zone, the port unless it is the usual one."""
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def request_url(self) -> str:
        """The URL that requests name: without credentials."""
        return f"{self.scheme}://{self.place}{self.target}"

    def redirected(self, location: str) -> RtspAddress:
        """Where a `Location` leads. Raises ValueError if it leads to no RTSP address.

        Credentials of its own are taken. Ours go along: to another host, or from `rtsps` to `rtsp`, for Digest only.
        """
        if location.startswith("//"):
            location = f"{self.scheme}:{location}"
        if not _SCHEME.match(location):
            try:
                parts = urlsplit(urljoin(f"http://host{self.target}", location))
            except ValueError:
                raise ValueError("not an RTSP address") from None
            return replace(self, target=_target(parts.path, parts.query))
        there = RtspAddress.parse(location)
        if there.user is not None:
            return there
        stays = there.host == self.host and not (self.scheme == "rtsps" and there.scheme == "rtsp")
        return replace(there, user=self.user, password=self.password, digest_only=self.digest_only or not stays)


def sendable(url: str) -> str:
    """A URL as it may stand in a request: ASCII, no spaces, no control characters; what is encoded stays so."""
    return quote(url, safe=_SENT_AS_IT_IS)


def _host(host: str) -> str:
    """As it is looked up. Raises ValueError if it can't be one."""
    if ":" in host:
        return host.replace("%25", "%")
    try:
        looked_up = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        looked_up = ""
    if not _NAME.fullmatch(looked_up):
        raise ValueError("not an RTSP address")
    return looked_up


def _target(path: str, query: str) -> str:
    return sendable((path or "/") + (f"?{query}" if query else ""))
