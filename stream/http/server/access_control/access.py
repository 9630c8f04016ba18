"""Access control by a request's headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stream.http.server.access_control.authority import parsed
from stream.http.server.access_control.tokens import Grant, Role, TokensFile, digest_of, find
from stream.membership.passes import Passes

Needs = Literal["open", "view", "read", "review", "control"]
"""The role that a route needs; `open` routes need none."""

_RANKS: tuple[Needs, ...] = ("open", "view", "read", "review", "control")


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: the role (None: open routes only), and what it is based on.

    `name` is the token's, or `loopback`. `cameras`: those whose data the caller may have; None: all.
    """

    role: Role | None
    by: Literal["none", "loopback", "token", "session", "pass"]
    name: str
    cameras: frozenset[str] | None

    def sees(self, camera: str) -> bool:
        """Return whether the caller may have data of this camera, which need not exist."""
        return self.cameras is None or camera in self.cameras


NOBODY = Caller(None, "none", "", frozenset())
"""The sender of a request without a valid token."""

LOOPBACK = Caller("control", "loopback", "loopback", None)
"""The sender of a request on this machine."""


@dataclass(frozen=True, slots=True)
class Access:
    """Access rules for routes that are not open.

    `trust_loopback` is for a server that listens on a loopback address only. A request whose `Host` header names the
    loopback then needs no token, unless a proxy says that it forwards it. A request with another host name came through
    a proxy, or from a web page whose own name was made to point here (DNS rebinding), and needs a token. A token that
    is sent counts everywhere.
    """

    trust_loopback: bool
    configured: Sequence[Grant] = field(default=(), repr=False)
    """The grants of `http.read_token` and `http.control_token`, as far as they are set."""
    file: TokensFile | None = None
    passes: Passes | None = None
    """Of an engine of a fleet."""

    def caller(
        self,
        host: str,
        authorization: str,
        session: Grant | None,
        at_us: int,
        forwarded: bool = False,
        begun: bool = False,
    ) -> Caller:
        """Identify the sender at this time, microseconds since 1970, UTC.

        `host` and `authorization` are the headers' values, or empty; `session` is what the session cookie grants.
        `forwarded`: whether a proxy says that it forwards the request. `begun`: the request was admitted
        earlier, so that a renewed pass counts for the one that it has.
        """
        scheme, _, given = authorization.partition(" ")
        sends_token = scheme.lower() == "bearer"
        grant = self.find(given.strip(), at_us) if sends_token else None
        if grant is not None:
            return Caller(grant.role, "token", grant.name, grant.cameras)
        if sends_token and self.passes is not None:
            found = (self.passes.prolonged if begun else self.passes.accepted)(given.strip())
            if found is not None:
                return Caller("view", "pass", found.name, frozenset(found.cameras))
        if session is not None and self.is_current(session, at_us):
            return Caller(session.role, "session", session.name, session.cameras)
        if self.trust_loopback and not sends_token and not forwarded and names_loopback(host):
            return LOOPBACK
        return NOBODY

    def find(self, token: str, at_us: int) -> Grant | None:
        """Return what a token grants; None if it is unknown or has expired."""
        found = find(self.configured, token, at_us)
        return found if found is not None or self.file is None else self.file.find(token, at_us)

    def is_current(self, grant: Grant, at_us: int) -> bool:
        """Return whether the token still grants the same."""
        known = grant in self.configured or (self.file is not None and self.file.has(grant))
        return known and grant.is_valid(at_us)

    def advice(self, needs: Role) -> str:
        """Say how to get this role."""
        if self.file is not None:
            return f"send `Authorization: Bearer` and a token of http.tokens_file that permits to {_VERBS[needs]}"
        names = [grant.name for grant in self.configured]
        name = "control" if needs not in ("view", "read") or names == ["control"] else "read"
        if name in names:
            return f"send `Authorization: Bearer <http.{name}_token>`"
        if self.trust_loopback:
            return f"use a loopback address such as 127.0.0.1, or set http.{name}_token and send it"
        return f"set http.{name}_token and send it: other hosts have no access without it"


_VERBS: dict[Role, str] = {"view": "look", "read": "look", "review": "review", "control": "control"}


def configured_grants(read_token: str, control_token: str) -> list[Grant]:
    """Return the grants of the two tokens of the configuration; an empty one grants nothing."""
    tokens: tuple[tuple[Role, str], ...] = (("read", read_token), ("control", control_token))
    return [Grant(role, role, None, digest_of(token)) for role, token in tokens if token]


def allows(role: Role | None, needs: Needs) -> bool:
    """Return whether the role is sufficient."""
    return needs == "open" or (role is not None and _RANKS.index(role) >= _RANKS.index(needs))


def names_loopback(host: str) -> bool:
    """Return whether a `Host` header names this machine: localhost, 127.0.0.0/8 or [::1], with or without a port."""
    authority = parsed(host)
    return authority is not None and authority.loopback


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
