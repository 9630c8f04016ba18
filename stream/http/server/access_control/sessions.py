"""Browser sessions, named by a cookie, so that a page does not store a token. They are lost when the engine stops.

Browsers send cookies to all ports of a host, so that a fleet's coordinator has another cookie than engines: otherwise
a sign-in at one of them would end that at the other.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable

from stream.http.server.access_control.tokens import Grant, digest_of

COOKIE = "partstream_session"
FLEET_COOKIE = "partstream_fleet_session"

SESSION_LIFE_S = 12 * 3600
"""The page then asks for the token again."""

SESSIONS = 256
"""Maximum number of sessions; a further one ends the oldest."""

SESSIONS_OF_GRANT = 16
"""The same for each token, so that one does not end the sessions of the others."""


class Sessions:
    """Grants by secret. Times are monotonic seconds. Digests are the keys, so that look-up times reveal nothing.

    `cookie`: the name of the cookie that has the secret.
    """

    def __init__(self, limit: int = SESSIONS, life_s: float = SESSION_LIFE_S, cookie: str = COOKIE) -> None:
        self.cookie = cookie
        self._limit = limit
        self._life_s = life_s
        self._sessions: OrderedDict[bytes, tuple[Grant, float]] = OrderedDict()  # oldest first

    def begin(self, grant: Grant, now: float) -> str:
        """Begin a session and return its secret."""
        secret = secrets.token_urlsafe(32)
        of_grant = [key for key, (other, _) in self._sessions.items() if other == grant]
        for key in of_grant[: max(0, len(of_grant) - SESSIONS_OF_GRANT + 1)]:
            del self._sessions[key]
        self._sessions[digest_of(secret)] = (grant, now + self._life_s)
        while len(self._sessions) > self._limit:
            self._sessions.popitem(last=False)
        return secret

    def grant(self, secret: str, now: float) -> Grant | None:
        """Return what a session grants, or None if there is no such session or it has expired."""
        key = digest_of(secret)
        grant, ends = self._sessions.get(key, (None, 0.0))
        if grant is not None and now >= ends:
            del self._sessions[key]
            return None
        return grant

    def end(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(digest_of(secret), None)

    def end_except(self, is_current: Callable[[Grant], bool]) -> None:
        """End the sessions whose token no longer grants what it did."""
        for key in [key for key, (grant, _) in self._sessions.items() if not is_current(grant)]:
            del self._sessions[key]
