"""Who sent a request: tokens and what they permit, sessions of browsers, names of this machine, and origins."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stream.http.server.bind_address import BindAddress
from stream.membership.passes import Passes
from stream.settings.config_error import ConfigError
from stream.settings.network import HttpConfig
from stream.settings.tokens import Right, load_tokens

logger = logging.getLogger(__name__)

LEAST_BYTES = 16
"""Length of a token off loopback, so that it cannot be guessed."""
COOKIE = "partstream_session"
FLEET_COOKIE = "partstream_fleet_session"
"""Browsers send cookies to all ports of a host, so that a fleet's controller has another cookie than engines:
otherwise a sign-in at one of them would end that at the other."""
SESSION_LIFE_S = 12 * 3600
"""The page then asks for the token again."""
SESSIONS_OF_GRANT = 16
"""Maximum number of sessions of a token; a further one ends its oldest."""
ADDRESSES = 1024
"""Number of addresses whose rate is remembered; the one unused for the longest time is forgotten first."""

Role = Literal["view", "read", "review", "control"]
"""The role that a token gives; each includes those before it. Only passes of a fleet give `view`: live pictures, video
and messages."""
Needs = Literal["open", "view", "read", "review", "control"]
"""The role that a route needs; `open` routes need none."""

_RANKS: tuple[Needs, ...] = ("open", "view", "read", "review", "control")
_ROLES: dict[Right, Role] = {"look": "read", "review": "review", "control": "control"}
_VERBS: dict[Role, str] = {"view": "look", "read": "look", "review": "review", "control": "control"}
_LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{0,5})?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token permits. A changed token has another grant."""

    name: str
    role: Role
    cameras: frozenset[str] | None
    """The cameras that it is for; None: all."""
    digest: bytes = field(repr=False)
    expires_us: int | None = None

    def is_valid(self, at_us: int) -> bool:
        """Return whether it has not expired at this time, microseconds since 1970, UTC."""
        return self.expires_us is None or at_us < self.expires_us


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says about its sender: the values of its headers, or empty."""

    host: str = ""
    authorization: str = field(default="", repr=False)
    cookie: str = field(default="", repr=False)
    forwarded: bool = False
    """Whether a proxy says that it forwards the request."""


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

    @property
    def owner(self) -> str:
        """The name of the token whose share of streams and viewers counts; empty on loopback."""
        return "" if self.by == "loopback" else self.name


NOBODY = Caller(None, "none", "", frozenset())
"""The sender of a request without a valid token."""

LOOPBACK = Caller("control", "loopback", "loopback", None)
"""The sender of a request on this machine."""


def digest_of(token: str) -> bytes:
    """Return the SHA-256 of a token. Digests are the keys of what is looked up, so that times reveal nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def configured_grants(config: HttpConfig) -> list[Grant]:
    """Return the grants of the two tokens of the configuration; an empty one grants nothing."""
    tokens: tuple[tuple[Role, str], ...] = (
        ("read", config.read_token.get_secret_value() if config.read_token is not None else ""),
        ("control", config.control_token.get_secret_value() if config.control_token is not None else ""),
    )
    return [Grant(role, role, None, digest_of(token)) for role, token in tokens if token]


def check_tokens(config: HttpConfig, address: BindAddress) -> None:
    """Raise `ConfigError` if other hosts can reach `address`, and no token is set or a token is too short.

    Tokens of the tokens file cannot be checked, because it holds only their digests.
    """
    if address.loopback:
        return
    given = {"http.read_token": config.read_token, "http.control_token": config.control_token}
    tokens = {name: token.get_secret_value() for name, token in given.items() if token is not None}
    if not any(tokens.values()) and config.tokens_file is None:
        raise ConfigError(
            f"http.bind: other hosts can reach {config.bind}, so /metrics and the API need a token: set "
            "http.read_token (PARTSTREAM_HTTP__READ_TOKEN) and, to change cameras from there, http.control_token, "
            "or http.tokens_file, or bind to 127.0.0.1"
        )
    for name, token in tokens.items():
        if 0 < len(token.encode("utf-8", "surrogatepass")) < LEAST_BYTES:
            raise ConfigError(
                f"{name}: other hosts can reach {config.bind} and could guess a token of fewer than {LEAST_BYTES} "
                "bytes: make a longer one with `openssl rand -hex 24`, or bind to 127.0.0.1"
            )


class TokensFile:
    """The grants of a tokens file, by digest. Used in the event loop.

    A file that cannot be used leaves the previous grants in force: an editor's mistake must not lock everyone out.
    """

    def __init__(self, path: Path, others: Mapping[bytes, str]) -> None:
        """Read the file. Blocks. `others`: the settings of tokens that are not in the file, by digest.

        Raises `ConfigError` naming `http.tokens_file`.
        """
        self.error: str | None = None
        """Why the file as it is now is not in force; None if it is."""
        self._path = path
        self._others = others
        self._seen = _identity(path)
        self._used = self._seen
        """The file that is in force; empty if the latest could not be used."""
        try:
            self.grants = self._read()
        except ConfigError as error:
            raise ConfigError(f"http.tokens_file: {error}") from None

    async def look(self) -> None:
        """Read the file if it has changed and has then stayed the same since the last call: it may be half written."""
        before, self._seen = self._seen, await asyncio.to_thread(_identity, self._path)
        if self._seen == self._used or self._seen != before:
            return
        used = self._seen
        try:
            grants = await asyncio.to_thread(self._read)
        except ConfigError as error:
            self._used = ()  # read again at the next call: the disk may have failed for a moment only
            if str(error) != self.error:
                logger.error("http.tokens_file: %s; the previous tokens stay in force", error)
            self.error = str(error)
            return
        self._used, self.error = used, None
        changed = sorted({grant.name for grant in {*grants.values()} ^ {*self.grants.values()}})
        self.grants = grants
        logger.info("http.tokens_file: %s is in force; changed tokens: %s", self._path, ", ".join(changed) or "none")

    def _read(self) -> dict[bytes, Grant]:
        grants: dict[bytes, Grant] = {}
        for token in load_tokens(self._path).tokens:
            cameras = None if token.cameras == "all" else frozenset(token.cameras)
            digest = bytes.fromhex(token.sha256)
            if digest in self._others:
                raise ConfigError(f"{self._path}: token {token.name} is the same as {self._others[digest]}")
            grants[digest] = Grant(token.name, _ROLES[token.right], cameras, digest, token.expires_us)
        return grants


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what changes when the file does; None if it cannot be read now, for example while it is replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode, status.st_uid)


class Sessions:
    """Browser sessions, named by a cookie, so that a page does not store a token. They end with the engine.

    Times are microseconds since 1970, UTC.
    """

    def __init__(self, life_s: float = SESSION_LIFE_S) -> None:
        self._life_us = round(life_s * 1e6)
        self._sessions: dict[bytes, tuple[Grant, int]] = {}  # oldest first

    def begin(self, grant: Grant, at_us: int) -> str:
        """Begin a session and return its secret."""
        of_grant = [key for key, (other, _) in self._sessions.items() if other == grant]
        for key in of_grant[: max(0, len(of_grant) - SESSIONS_OF_GRANT + 1)]:
            del self._sessions[key]
        secret = secrets.token_urlsafe(32)
        self._sessions[digest_of(secret)] = (grant, at_us + self._life_us)
        return secret

    def grant(self, secret: str, at_us: int) -> Grant | None:
        """Return what a session grants, or None if there is no such session or it has expired."""
        grant, ends_us = self._sessions.get(digest_of(secret), (None, 0))
        return grant if at_us < ends_us else None

    def end(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(digest_of(secret), None)

    def end_unless(self, stays: Callable[[Grant], bool], at_us: int) -> None:
        """End the sessions that have expired, and those whose token no longer grants what it did."""
        self._sessions = {
            key: (grant, ends_us)
            for key, (grant, ends_us) in self._sessions.items()
            if at_us < ends_us and stays(grant)
        }


class Access:
    """Access rules for routes that are not open. Times are microseconds since 1970, UTC."""

    def __init__(
        self,
        configured: Iterable[Grant] = (),
        file: TokensFile | None = None,
        *,
        trust_loopback: bool = False,
        passes: Passes | None = None,
        cookie: str = COOKIE,
    ) -> None:
        """`configured`: the grants of `http.read_token` and `http.control_token`, as far as they are set.

        `trust_loopback` is for a server that listens on a loopback address only. A request whose `Host` header names
        the loopback then needs no token, unless a proxy says that it forwards it. A request with another host name came
        through a proxy, or from a web page whose own name was made to point here (DNS rebinding), and needs a token. A
        token that is sent counts everywhere. `passes`: of an engine of a fleet. `cookie` has the sessions' secrets.
        """
        self.sessions = Sessions()
        self.passes = passes
        self.cookie = cookie
        self.file = file
        self._trust_loopback = trust_loopback
        self._configured = {grant.digest: grant for grant in configured}

    def caller(self, credentials: Credentials, at_us: int, *, begun: bool = False) -> Caller:
        """Identify the sender at this time.

        `begun`: the request was admitted earlier, so that a renewed pass counts for the one that it has.
        """
        scheme, _, given = credentials.authorization.partition(" ")
        sends_token = scheme.lower() == "bearer"
        grant = self.find(given.strip(), at_us) if sends_token else None
        if grant is not None:
            return Caller(grant.role, "token", grant.name, grant.cameras)
        if sends_token and self.passes is not None:
            found = (self.passes.prolonged if begun else self.passes.accepted)(given.strip())
            if found is not None:
                return Caller("view", "pass", found.name, frozenset(found.cameras))
        session = self.sessions.grant(credentials.cookie, at_us) if credentials.cookie else None
        if session is not None and self.is_current(session, at_us):
            return Caller(session.role, "session", session.name, session.cameras)
        trusted = self._trust_loopback and not sends_token and not credentials.forwarded
        return LOOPBACK if trusted and names_loopback(credentials.host) else NOBODY

    def find(self, token: str, at_us: int) -> Grant | None:
        """Return what a token grants; None if it is unknown or has expired."""
        grant = self._of(digest_of(token))
        # An empty token is never valid, also if a mistake put the digest of nothing into the file.
        return grant if grant is not None and grant.is_valid(at_us) and token else None

    def is_current(self, grant: Grant, at_us: int) -> bool:
        """Return whether the token still grants the same."""
        return self._of(grant.digest) == grant and grant.is_valid(at_us)

    def end_old_sessions(self) -> None:
        """End the sessions that have expired, or whose token was removed, has expired, or was changed."""
        at_us = time.time_ns() // 1000
        self.sessions.end_unless(lambda grant: self.is_current(grant, at_us), at_us)

    def advice(self, needs: Role) -> str:
        """Say how to get this role."""
        if self.file is not None:
            return f"send `Authorization: Bearer` and a token of http.tokens_file that permits to {_VERBS[needs]}"
        names = [grant.name for grant in self._configured.values()]
        name = "control" if needs not in ("view", "read") or names == ["control"] else "read"
        if name in names:
            return f"send `Authorization: Bearer <http.{name}_token>`"
        if self._trust_loopback:
            return f"use a loopback address such as 127.0.0.1, or set http.{name}_token and send it"
        return f"set http.{name}_token and send it: other hosts have no access without it"

    def _of(self, digest: bytes) -> Grant | None:
        return self._configured.get(digest) or (self.file.grants.get(digest) if self.file is not None else None)


def allows(role: Role | None, needs: Needs) -> bool:
    """Return whether the role is sufficient."""
    return needs == "open" or (role is not None and _RANKS.index(role) >= _RANKS.index(needs))


def names_loopback(host: str) -> bool:
    """Return whether a `Host` header names this machine: localhost, 127.0.0.0/8 or [::1], with or without a port."""
    return _LOOPBACK.fullmatch(host) is not None


def same_origin(origin: str, host: str) -> bool:
    """Return whether `Origin` and `Host` headers name the same server, so that the page is the server's own.

    The scheme is not compared: behind a proxy that terminates TLS, the server does not know it.
    """
    scheme, colon, authority = origin.strip().lower().partition("://")
    return bool(colon) and scheme in ("http", "https") and authority != "" and authority == host.strip().lower()


def comes_from_elsewhere(headers: Mapping[str, str], *, changes: bool) -> bool:
    """Return whether a page of another origin embeds this (an `<img>`, a video, a frame), by its Fetch Metadata.

    Such requests have no `Origin`. Following a link to this server is not embedding, but changes nothing either.
    """
    elsewhere = headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    return elsewhere and (changes or headers.get("Sec-Fetch-Dest") != "document")


class RateLimiter:
    """Allows each address `per_second` requests on average and bursts of twice as many. Times are monotonic seconds."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._burst = max(1.0, 2 * per_second)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now: float) -> float:
        """Take a request and return 0, or take nothing and return the seconds to wait."""
        left, then = self._left.pop(address, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        self._left[address] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > ADDRESSES:
            self._left.popitem(last=False)
        return 0.0 if left >= 1 else (1 - left) / self._per_second
