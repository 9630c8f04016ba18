"""Signs the passes of viewers, each for one run of an engine. No input or output."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from stream.http.server.auth import names_loopback
from stream.membership.addresses import public
from stream.membership.passes import Pass, signed

LIFE_S = 60.0
"""Time for which a pass is valid. The page renews it twice in this time."""
ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?")
"""Nothing that has a meaning in a Content-Security-Policy."""
DEFAULT_PORTS = {"http": "80", "https": "443"}


class PassOffice:
    """Makes the keys of engines and signs passes with them.

    Keys are derived from a secret of this process, so that passes end with it.
    """

    def __init__(self, now_ms: Callable[[], float] = lambda: time.monotonic_ns() / 1e6) -> None:
        self.origins: list[str] = []
        """Where browsers have the live page from."""
        self._now_ms = now_ms
        self._secret = secrets.token_bytes(32)

    def issue(self, engine: str, run: str, name: str, page: str, cameras: Iterable[str]) -> str:
        """Return a pass for these cameras of this run of an engine. `name` is that of the viewer's token."""
        until_ms = round(self._now_ms() + LIFE_S * 1000)
        return signed(Pass(name, page, until_ms, sorted(cameras)), self.key(engine, run))

    def key(self, engine: str, run: str) -> bytes:
        """Return the key of this run of an engine, which is told to it, 32 bytes."""
        return hmac.new(self._secret, f"{engine}\0{run}".encode(), hashlib.sha256).digest()


def origin_of(address: str | None) -> str | None:
    """Return the origin of an HTTP address as browsers write it; None if there is none, or it is not a plain one."""
    found = ORIGIN.fullmatch((address or "").lower().rstrip("/"))
    if found is None:
        return None
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" + (f":{port}" if port and port != DEFAULT_PORTS[scheme] else "")


def page_origins(configured: Sequence[str], address: str) -> list[str]:
    """Return where browsers have the page from: what is configured, or else the address of the HTTP server.

    `address` is the one that it is bound to, `scheme://host:port`.
    """
    if configured:
        return list(configured)
    host = urlsplit(address).hostname
    names = {host, "localhost"} if names_loopback(host or "") else {None}
    return sorted({origin for name in names if (origin := origin_of(public(address, name))) is not None})
