"""Sessions: what a browser's cookie stands for, so that a page never keeps a token. In memory; ended by a restart."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict

from stream.http.server.access import Role

COOKIE = "partstream_session"

SESSION_LIFE_S = 12 * 3600
"""A working day: then the page asks for the token again."""

SESSIONS = 256
"""Sessions at once; beyond, the oldest ends."""


class Sessions:
    """Roles by secret. Times are monotonic seconds. Kept by digest, so that a look-up tells nothing by its duration."""

    def __init__(self, limit: int = SESSIONS, life_s: float = SESSION_LIFE_S) -> None:
        self._limit = limit
        self._life_s = life_s
        self._sessions: OrderedDict[bytes, tuple[Role, float]] = OrderedDict()  # oldest first

    def begin(self, role: Role, now: float) -> str:
        """A new session's secret."""
        secret = secrets.token_urlsafe(32)
        self._sessions[_digest(secret)] = (role, now + self._life_s)
        while len(self._sessions) > self._limit:
            self._sessions.popitem(last=False)
        return secret

    def role(self, secret: str, now: float) -> Role | None:
        """What the session of this secret allows; None if there is none, or no longer."""
        key = _digest(secret)
        role, ends = self._sessions.get(key, (None, 0.0))
        if role is not None and now >= ends:
            del self._sessions[key]
            return None
        return role

    def end(self, secret: str) -> None:
        """No more of this session."""
        self._sessions.pop(_digest(secret), None)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
