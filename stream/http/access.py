"""Who may read what is not open to all: pure decisions over two request headers."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Access:
    """The rule for protected pages.

    `open_to` is `loopback` where the server listens on a loopback address only. Then a request whose `Host` header
    names the loopback needs no token; one with another host name came through a proxy, or from a web page that made
    its own name point here (DNS rebinding), and needs the token like any from another host.
    """

    open_to: Literal["loopback", "nobody"]
    token: str = field(repr=False)

    def refusal(self, host: str, authorization: str) -> str | None:
        """Why the request is refused, or None. `host` and `authorization` are the headers' values, or empty."""
        if self.open_to == "loopback" and names_loopback(host):
            return None
        if not self.token:
            return "ask for this page by a loopback address, or set http.read_token and send it"
        scheme, _, given = authorization.partition(" ")
        # Compared as bytes, since compare_digest takes no other text than ASCII, and in constant time.
        right = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), self.token.encode())
        if scheme.lower() == "bearer" and right:
            return None
        return "send `Authorization: Bearer <http.read_token>`"


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
