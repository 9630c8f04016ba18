"""Who may do what: pure decisions over a request's headers."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["read", "control"]
"""What a token allows; `control` includes `read`."""

Needs = Literal["open", "read", "control"]
"""What a route asks for; `open` asks for nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: what he may do (None: nothing that isn't open), and by what."""

    role: Role | None
    by: Literal["nobody", "loopback", "token", "session"]


@dataclass(frozen=True, slots=True)
class Access:
    """The rule for what isn't open to all.

    `open_to` is `loopback` where the server listens on a loopback address only. Then a request whose `Host` header
    names the loopback needs no token; one with another host name came through a proxy, or from a web page that made
    its own name point here (DNS rebinding), and needs the token like any from another host.
    """

    open_to: Literal["loopback", "nobody"]
    read_token: str = field(default="", repr=False)
    control_token: str = field(default="", repr=False)

    def caller(self, host: str, authorization: str, session: Role | None) -> Caller:
        """Who it is. `host` and `authorization` are the headers' values, or empty; `session` is the cookie's role."""
        if self.open_to == "loopback" and names_loopback(host):
            return Caller("control", "loopback")
        scheme, _, given = authorization.partition(" ")
        role = self.role_of(given.strip()) if scheme.lower() == "bearer" else None
        if role is not None:
            return Caller(role, "token")
        return Caller(session, "session" if session is not None else "nobody")

    def role_of(self, given: str) -> Role | None:
        """What this token allows. Compared in constant time, and with both."""
        # As bytes, since compare_digest takes no other text than ASCII.
        raw = given.encode("utf-8", "surrogatepass")
        reads = hmac.compare_digest(raw, self.read_token.encode()) and self.read_token != ""
        controls = hmac.compare_digest(raw, self.control_token.encode()) and self.control_token != ""
        return "control" if controls else "read" if reads else None

    def advice(self, needs: Role) -> str:
        """What to do to be let in."""
        by_control = needs == "control" or (self.control_token != "" and self.read_token == "")
        name = "http.control_token" if by_control else "http.read_token"
        if self.control_token if by_control else self.read_token:
            return f"send `Authorization: Bearer <{name}>`"
        if self.open_to == "loopback":
            return f"ask for this by a loopback address, or set {name} and send it"
        return f"set {name} and send it: until then nobody may do this from here"


def allows(role: Role | None, needs: Needs) -> bool:
    """Whether this role suffices."""
    return needs == "open" or role == "control" or role == needs


def names_loopback(host: str) -> bool:
    """Whether a `Host` header names this machine itself: localhost, 127.0.0.0/8 or [::1], with or without a port."""
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def same_origin(origin: str, host: str) -> bool:
    """Whether an `Origin` header names the server that the `Host` header names, so that its page is the server's own.

    The scheme isn't compared: behind a proxy that ends TLS the server doesn't know it.
    """
    scheme, colon, authority = origin.strip().lower().partition("://")
    return bool(colon) and scheme in ("http", "https") and authority != "" and authority == host.strip().lower()


def embedded_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a browser says (Fetch Metadata) that another origin's page embeds this: an `<img>`, a video, a frame.

    Such requests have no `Origin`. To follow a link to here is none of that page's business any more.
    """
    return headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and headers.get("Sec-Fetch-Dest") != "document"
