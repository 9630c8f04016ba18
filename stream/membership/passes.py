"""Passes: with one, a viewer of the fleet's live page may look at some cameras of one engine for a short time.

The coordinator signs a pass with a key that it makes for each run of an engine and gives it in its grants. The engine
verifies passes without asking anyone. Times are the coordinator's CLOCK_BOOTTIME, which its grants tell, so that the
clocks of the machines need not agree.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.membership.lease import boottime_ns
from stream.membership.protocol import Natural, Viewing

PREFIX = "partstream-pass-1."
MOST_BYTES = 24 << 10
"""A pass for 256 cameras with ids of 63 characters has 23 kB."""
REMEMBERED = 4096
"""Views that are prolonged at a time; a further one forgets the oldest."""


class Pass(msgspec.Struct, frozen=True):
    """What a pass says."""

    name: str
    """Of the token with which the viewer signed in at the coordinator."""
    page: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    """A number that the page in the browser has chosen."""
    until_ms: Natural
    """When it ends: the coordinator's CLOCK_BOOTTIME."""
    cameras: list[str]
    """In alphabetical order."""

    @property
    def view(self) -> bytes:
        """What a renewed pass prolongs: a digest of the page, the token's name and the cameras."""
        return hashlib.sha256(msgspec.json.encode((self.page, self.name, self.cameras))).digest()


def signed(one: Pass, key: bytes) -> str:
    """Return the pass as text, signed with the engine's key (32 bytes)."""
    body = PREFIX + _text(msgspec.json.encode(one))
    return f"{body}.{_signature(body, key)}"


class Passes:
    """Verifies passes for one run of an engine, which accepts none before a grant has told it its key.

    Used in the event loop. `now_ns`: CLOCK_BOOTTIME.
    """

    def __init__(self, now_ns: Callable[[], int] = boottime_ns) -> None:
        self.origins: frozenset[str] = frozenset()
        """Where browsers have the fleet's live page from."""
        self._now_ns = now_ns
        self._key = b""
        self._ahead_ms = 0.0
        """How far the coordinator's clock is ahead of this machine's, at most."""
        self._shown: dict[bytes, int] = {}
        """Until when each view has been prolonged."""

    def learn(self, viewing: Viewing, asked_ns: int) -> None:
        """Take over what a grant says, which answers a renewal of `asked_ns`.

        The coordinator's time is later than this renewal. A delayed grant therefore ends passes early, never late.
        """
        self.origins = frozenset(viewing.origins)
        self._key = bytes.fromhex(viewing.key)
        self._ahead_ms = viewing.now_ms - asked_ns / 1e6

    def forget(self) -> None:
        """Accept no pass any more, because the coordinator is another one."""
        self.origins = frozenset()
        self._key = b""
        self._shown.clear()

    def accepted(self, text: str) -> Pass | None:
        """Return the pass if it is valid now, and let it prolong what earlier passes of its view began."""
        one = self._verified(text)
        if one is None or one.until_ms <= self._coordinator_ms():
            return None
        until_ms = max(one.until_ms, self._shown.pop(one.view, 0))
        self._shown[one.view] = until_ms
        if len(self._shown) > REMEMBERED:
            del self._shown[next(iter(self._shown))]
        return one

    def prolonged(self, text: str) -> Pass | None:
        """Return the pass of something that was begun with it, if it is valid or a later one of its view is."""
        one = self._verified(text)
        if one is None or max(one.until_ms, self._shown.get(one.view, 0)) <= self._coordinator_ms():
            return None
        return one

    def _coordinator_ms(self) -> float:
        """Return the coordinator's time, or a little later."""
        return self._now_ns() / 1e6 + self._ahead_ms

    def _verified(self, text: str) -> Pass | None:
        if not self._key or not text.startswith(PREFIX) or not text.isascii() or len(text) > MOST_BYTES:
            return None
        body, _, signature = text.rpartition(".")
        if not hmac.compare_digest(signature, _signature(body, self._key)):
            return None
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(body.removeprefix(PREFIX)), type=Pass)
        except ValueError:  # of another version of the coordinator
            return None


def _signature(body: str, key: bytes) -> str:
    return _text(hmac.new(key, body.encode(), hashlib.sha256).digest())


def _text(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).decode()
