"""Browser sessions, named by a cookie, so that a page does not store a token. They are lost when the engine stops."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict

from stream.http.server.access_control.access import Role

COOKIE = "partstream_session"

SESSION_LIFE_S = 12 * 3600
"""The page then asks for the token again."""

SESSIONS = 256
"""Maximum number of sessions; a further one ends the oldest."""


class Sessions:
    """Roles by secret. Times are monotonic seconds. Digests are the keys, so that look-up times reveal nothing."""

    def __init__(self, limit: int = SESSIONS, life_s: float = SESSION_LIFE_S) -> None:
        self._limit = limit
        self._life_s = life_s
        self._sessions: OrderedDict[bytes, tuple[Role, float]] = OrderedDict()  # oldest first

    def begin(self, role: Role, now: float) -> str:
        """Begin a session and return its secret."""
        secret = secrets.token_urlsafe(32)
        self._sessions[_digest(secret)] = (role, now + self._life_s)
        while len(self._sessions) > self._limit:
            self._sessions.popitem(last=False)
        return secret

    def role(self, secret: str, now: float) -> Role | None:
        """Return the role of a session, or None if there is no such session or it has expired."""
        key = _digest(secret)
        role, ends = self._sessions.get(key, (None, 0.0))
        if role is not None and now >= ends:
            del self._sessions[key]
            return None
        return role

    def end(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(secret), None)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
