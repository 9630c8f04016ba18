"""Passes: with one, a viewer of the fleet's live page may look at some cameras of one engine for a short time.

The controller signs a pass with a key that it makes for each run of an engine and sends with its assignment. The engine
verifies passes without asking anyone. Times are the controller's monotonic clock, which it sends once a second, so that
the clocks of the machines need not agree.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

LIFE_S = 60.0
"""Time for which a pass is valid. The page renews it twice in this time."""
PREFIX = "partstream-pass-1."
MOST_BYTES = 24 << 10
"""A pass for 256 cameras with ids of 63 characters has 23 kB."""
REMEMBERED = 1024
"""Views of a token that are prolonged at a time; a further one forgets the oldest of this token."""


class Pass(msgspec.Struct, frozen=True):
    """What a pass says."""

    name: str
    """Of the token with which the viewer signed in at the controller."""
    page: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    """A number that the page in the browser has chosen."""
    until_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    """When it ends, by the controller's clock."""
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


class PassOffice:
    """Makes the keys of engines, from a secret of this process, so that passes end with it, and signs passes."""

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


class Passes:
    """Verifies passes for one run of an engine, which accepts none before it knows its key and the controller's time.

    Used in the event loop. `now_ms`: the engine's clock, milliseconds.
    """

    def __init__(self, now_ms: Callable[[], float] = lambda: time.monotonic_ns() / 1e6) -> None:
        self.origins: frozenset[str] = frozenset()
        """Origins of the fleet's live page."""
        self._now_ms = now_ms
        self._key = b""
        self._ahead_ms: float | None = None
        """How far the controller's clock is ahead of this one, or less by the time that a message takes."""
        self._shown = defaultdict[str, dict[bytes, int]](dict)
        """By token, until when each view has been prolonged."""

    def learn(self, key: str, origins: Iterable[str]) -> None:
        """Take over a key, 32 bytes as hexadecimal digits. Another one, of another controller, ends all passes.

        A controller sends its time before its key, so that passes are accepted from now on.
        """
        if (new := bytes.fromhex(key)) != self._key:
            self._key = new
            self._shown.clear()
        self.origins = frozenset(origins)

    def told_time(self, controller_ms: float) -> None:
        """Take over the controller's time, which it sent a moment ago."""
        self._ahead_ms = controller_ms - self._now_ms()

    def accepted(self, text: str) -> Pass | None:
        """Return the pass if it is valid now, and let it prolong what earlier passes of its view began."""
        one = self._verified(text)
        if one is None or one.until_ms <= self._controller_ms():
            return None
        shown = self._shown[one.name]
        shown[one.view] = max(one.until_ms, shown.pop(one.view, 0))
        if len(shown) > REMEMBERED:
            del shown[next(iter(shown))]
        return one

    def prolonged(self, text: str) -> Pass | None:
        """Return the pass of something that was begun with it, if it is valid or a later one of its view is."""
        one = self._verified(text)
        if one is None or max(one.until_ms, self._shown[one.name].get(one.view, 0)) <= self._controller_ms():
            return None
        return one

    def _controller_ms(self) -> float:
        assert self._ahead_ms is not None
        return self._now_ms() + self._ahead_ms

    def _verified(self, text: str) -> Pass | None:
        ready = self._ahead_ms is not None and self._key
        if not ready or not text.startswith(PREFIX) or not text.isascii() or len(text) > MOST_BYTES:
            return None
        body, _, signature = text.rpartition(".")
        if not hmac.compare_digest(signature, _signature(body, self._key)):
            return None
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(body.removeprefix(PREFIX)), type=Pass)
        except ValueError:  # of another version of the controller
            return None


def _signature(body: str, key: bytes) -> str:
    return _text(hmac.new(key, body.encode(), hashlib.sha256).digest())


def _text(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).decode()
