"""Access control by a request's headers."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["read", "review", "control"]
"""The role that a token gives; each includes those before it."""

Needs = Literal["open", "read", "review", "control"]
"""The role that a route needs; `open` routes need none."""

_RANKS: tuple[Needs, ...] = ("open", "read", "review", "control")


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: the role (None: open routes only), and what it is based on.

    `name` is the token's, or `loopback`. `cameras`: those whose data the caller may have; None: all.
    """

    role: Role | None
    by: Literal["none", "loopback", "token", "session"]
    name: str
    cameras: frozenset[str] | None

    def sees(self, camera: str) -> bool:
        """Return whether the caller may have data of this camera, which need not exist."""
        return self.cameras is None or camera in self.cameras


NOBODY = Caller(None, "none", "", frozenset())
"""The sender of a request without a valid token."""


@dataclass(frozen=True, slots=True)
class Access:
    """Access rules for routes that are not open.

    `trust_loopback` is for a server that listens on a loopback address only. A request whose `Host` header names the
    loopback then needs no token. A request with another host name came through a proxy, or from a web page whose own
    name was made to point here (DNS rebinding), and needs a token.
    """

    trust_loopback: bool
    read_token: str = field(default="", repr=False)
    control_token: str = field(default="", repr=False)

    def caller(self, host: str, authorization: str, session: Role | None) -> Caller:
        """Identify the sender.

        `host` and `authorization` are the headers' values, or empty; `session` is the role of the session cookie.
        """
        if self.trust_loopback and names_loopback(host):
            return Caller("control", "loopback", "loopback", None)
        scheme, _, given = authorization.partition(" ")
        role = self.role_of(given.strip()) if scheme.lower() == "bearer" else None
        if role is not None:
            return Caller(role, "token", role, None)
        return Caller(session, "session", session, None) if session is not None else NOBODY

    def role_of(self, given: str) -> Role | None:
        """Return the role of a token. Both tokens are always compared, in constant time."""
        # As bytes, because compare_digest accepts only ASCII text.
        raw = given.encode("utf-8", "surrogatepass")
        reads = hmac.compare_digest(raw, self.read_token.encode()) and self.read_token != ""
        controls = hmac.compare_digest(raw, self.control_token.encode()) and self.control_token != ""
        return "control" if controls else "read" if reads else None

    def advice(self, needs: Role) -> str:
        """Say how to get this role."""
        by_control = needs != "read" or (self.control_token != "" and self.read_token == "")
        name = "http.control_token" if by_control else "http.read_token"
        if self.control_token if by_control else self.read_token:
            return f"send `Authorization: Bearer <{name}>`"
        if self.trust_loopback:
            return f"use a loopback address such as 127.0.0.1, or set {name} and send it"
        return f"set {name} and send it: other hosts have no access without it"


def allows(role: Role | None, needs: Needs) -> bool:
    """Return whether the role is sufficient."""
    return needs == "open" or (role is not None and _RANKS.index(role) >= _RANKS.index(needs))


def names_loopback(host: str) -> bool:
    """Return whether a `Host` header names this machine: localhost, 127.0.0.0/8 or [::1], with or without a port."""
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def same_origin(origin: str, host: str) -> bool:
    """Return whether `Origin` and `Host` headers name the same server, so that the page is the server's own.

    The scheme is not compared: behind a proxy that terminates TLS, the server does not know it.
    """
    scheme, colon, authority = origin.strip().lower().partition("://")
    return bool(colon) and scheme in ("http", "https") and authority != "" and authority == host.strip().lower()


def embedded_elsewhere(headers: Mapping[str, str]) -> bool:
    """Return whether a page of another origin embeds this (an `<img>`, a video, a frame), by its Fetch Metadata.

    Such requests have no `Origin`. Following a link to this server is not embedding.
    """
    return headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and headers.get("Sec-Fetch-Dest") != "document"
