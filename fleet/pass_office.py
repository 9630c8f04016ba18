"""Signs the passes of viewers, each for one run of an engine. No input or output."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from stream.http.server.auth import names_loopback
from stream.membership.addresses import public
from stream.membership.passes import Pass, signed
from stream.settings.network import whole_origins

LIFE_S = 60.0
"""Time for which a pass is valid. The page renews it twice in this time."""


class PassOffice:
    """Makes the keys of engines and signs passes with them.

    Keys are derived from a secret of this process, so that passes end with it.
    """

    def __init__(self, now_ms: Callable[[], float] = lambda: time.monotonic_ns() / 1e6) -> None:
        self.origins: list[str] = []
        """Origins of the live page."""
        self._now_ms = now_ms
        self._secret = secrets.token_bytes(32)

    def issue(self, engine: str, run: str, name: str, page: str, cameras: Iterable[str]) -> str:
        """Return a pass for these cameras of this run of an engine. `name` is that of the viewer's token."""
        until_ms = round(self._now_ms() + LIFE_S * 1000)
        return signed(Pass(name, page, until_ms, sorted(cameras)), self.key(engine, run))

    def key(self, engine: str, run: str) -> bytes:
        """Return the key of this run of an engine, which is sent to it, 32 bytes."""
        return hmac.new(self._secret, f"{engine}\0{run}".encode(), hashlib.sha256).digest()


def origins_at(address: str) -> list[str]:
    """Return where browsers have the page from, if its server is bound to this address, `scheme://host:port`."""
    hosts = [None, "localhost"] if names_loopback(urlsplit(address).netloc) else [None]
    return whole_origins([public(address, host) for host in hosts])
