"""RtspAddress: the parts of a camera's RTSP address. Its repr contains no credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote, urljoin, urlsplit

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
_SAFE = "!#$%&'()*+,/:;=?@[]~|{}^`\\\"<>"
_NAME = re.compile(r"[A-Za-z0-9._~-]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class RtspAddress:
    """Server, path and optional credentials. Create it with `parse`."""

    scheme: str
    """`rtsp` or `rtsps`."""
    host: str
    """Host name or IP address; IPv6 without brackets, with its zone if it has one."""
    port: int
    target: str = field(repr=False)
    """Path and query, percent-encoded, from the first slash on. Both may contain secrets."""
    user: str | None = field(default=None, repr=False)
    """Percent-decoded; None if the address has no `@`."""
    password: str | None = field(default=None, repr=False)
    digest_only: bool = False
    """Never send the password itself: the server is not the configured one, or its connection is not encrypted."""

    @classmethod
    def parse(cls, address: str) -> RtspAddress:
        """Parse `rtsp[s]://[user[:password]@]host[:port][/path][?query]`.

        Raises ValueError without quoting the address.
        """
        if not address.isprintable():
            raise ValueError("an RTSP address has only printable characters")
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
            raise ValueError("a user name has only printable characters")
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
        """Host and port as in a URL: IPv6 in brackets without its zone, the port only if it is not the default."""
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def request_url(self) -> str:
        """URL for requests, without credentials."""
        return f"{self.scheme}://{self.place}{self.target}"

    def redirected(self, location: str) -> RtspAddress:
        """Return the address that a `Location` header leads to. Raises ValueError if it is not an RTSP address.

        If it has credentials, they are used. Otherwise ours are kept; for another host or port, or from `rtsps` to
        `rtsp`, only for Digest.
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
        stays = (there.scheme, there.host, there.port) == (self.scheme, self.host, self.port)
        return replace(there, user=self.user, password=self.password, digest_only=self.digest_only or not stays)


def sendable(url: str) -> str:
    """Return a URL encoded for a request: ASCII without spaces and control characters. Existing escapes are kept."""
    return quote(url, safe=_SAFE)


def _host(host: str) -> str:
    """Return the host as it is resolved. Raises ValueError if it is invalid."""
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
