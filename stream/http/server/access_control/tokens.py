"""Tokens: what each permits, and the tokens file, which is read again when it changes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from stream.settings.access.tokens import Right, load_tokens
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

T = TypeVar("T")

Role = Literal["view", "read", "review", "control"]
"""The role that a token gives; each includes those before it. Only passes of a fleet give `view`: live pictures, video
and messages."""

_ROLES: dict[Right, Role] = {"look": "read", "review": "review", "control": "control"}


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


def digest_of(token: str) -> bytes:
    """Return the SHA-256 of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def find(grants: Iterable[Grant], token: str, at_us: int) -> Grant | None:
    """Return the grant of this token, if it is valid. All are compared, each in constant time."""
    given, match = digest_of(token), None
    for grant in grants:
        if hmac.compare_digest(given, grant.digest):
            match = grant
    # An empty token is never valid, also if a mistake put the digest of nothing into the file.
    return match if match is not None and match.is_valid(at_us) and token else None


class TokensFile:
    """The grants of a tokens file. Used in the event loop.

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
        self._thread: ThreadPoolExecutor | None = None
        self._seen = _identity(path)
        self._used = self._seen
        """The file that is in force; empty if the latest could not be used."""
        self.grants: tuple[Grant, ...] = ()
        self._by_digest: dict[bytes, Grant] = {}
        self._found: dict[bytes, Grant] = {}
        """What was found before, by digest: a token is sent with every request, and asked for twice a second."""
        try:
            self._use(self._read())
        except ConfigError as error:
            raise ConfigError(f"http.tokens_file: {error}") from None

    def find(self, token: str, at_us: int) -> Grant | None:
        """Return the grant of this token, if it is valid. A token that was not found before is compared with all."""
        known = self._found.get(digest_of(token))
        if known is not None:
            return known if known.is_valid(at_us) else None
        found = find(self.grants, token, at_us)
        if found is not None:
            self._found[found.digest] = found
        return found

    def has(self, grant: Grant) -> bool:
        """Return whether the file has this very grant."""
        return self._by_digest.get(grant.digest) == grant

    async def look(self) -> None:
        """Read the file if it has changed and has then stayed the same since the last call: it may be half written."""
        before, self._seen = self._seen, await self._in_thread(_identity, self._path)
        if self._seen == self._used or self._seen != before:
            return
        seen = self._seen
        try:
            grants = await self._in_thread(self._read)
        except ConfigError as error:
            self._used = ()  # read again at the next call: the disk may have failed for a moment only
            if str(error) != self.error:
                logger.error("http.tokens_file: %s; the previous tokens stay in force", error)
            self.error = str(error)
            return
        except Exception as error:  # a bug; a file must not end the engine
            self._used = seen
            self.error = f"{self._path}: reading it failed: {type(error).__name__}; see the log"
            logger.exception("http.tokens_file: reading it failed; the previous tokens stay in force")
            return
        self._used, self.error = seen, None
        changed = sorted({grant.name for grant in {*grants} ^ {*self.grants}})
        self._use(grants)
        logger.info("http.tokens_file: %s is in force; changed tokens: %s", self._path, ", ".join(changed) or "none")

    def close(self) -> None:
        """End the thread that reads the file. May be called again."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function in a thread of its own: asyncio's are shared, and requests could keep all of them."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="tokens file")
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _use(self, grants: tuple[Grant, ...]) -> None:
        self.grants = grants
        self._by_digest = {grant.digest: grant for grant in grants}
        self._found = {}

    def _read(self) -> tuple[Grant, ...]:
        grants = tuple(
            Grant(
                token.name,
                _ROLES[token.right],
                None if token.cameras == "all" else frozenset(token.cameras),
                bytes.fromhex(token.sha256),
                token.expires_us,
            )
            for token in load_tokens(self._path).tokens
        )
        for grant in grants:
            if grant.digest in self._others:
                raise ConfigError(f"{self._path}: token {grant.name} is the same as {self._others[grant.digest]}")
        return grants


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what changes when the file does; None if it cannot be read now, for example while it is replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode, status.st_uid)
