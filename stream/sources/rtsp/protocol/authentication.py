"""Credentials: answers to a server's authentication challenge (Digest of RFC 7616 and RFC 2069, Basic)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

MAX_CHALLENGES = 16
MAX_CHALLENGE_CHARS = 4096
"""Characters read of one `WWW-Authenticate` line."""

_HASHES = {"MD5": "md5", "SHA-256": "sha256"}
"""The weakest first."""
_PART = re.compile(
    r"""[\s,]*(?:
        (?P<name>[^\s,="]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)(?:"|\\?$)|(?P<plain>[^\s,]*))
        | (?P<scheme>[^\s,="]+)
        | .
    )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class Challenge:
    """One `WWW-Authenticate` offer."""

    scheme: str
    """In lower case."""
    parameters: dict[str, str] = field(default_factory=dict)
    """Names in lower case, values as bytes in Latin-1, without quotes."""


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """Return the challenges of all `WWW-Authenticate` lines; a line may contain several. Never raises."""
    challenges: list[Challenge] = []
    for value in islice(values, MAX_CHALLENGES):
        current: Challenge | None = None
        for part in _PART.finditer(value[:MAX_CHALLENGE_CHARS]):
            if part["scheme"]:
                current = Challenge(part["scheme"].lower())
                challenges.append(current)
            elif part["name"] and current is not None:
                text = part["plain"] if part["quoted"] is None else re.sub(r"\\(.)", r"\1", part["quoted"])
                current.parameters.setdefault(part["name"].lower(), text)
    return challenges


def random_cnonce() -> str:
    """Return a random client nonce for a digest."""
    return secrets.token_hex(8)


class Credentials:
    """A user's name and password, with the server's latest challenge.

    `digest_only`: never send the password itself (Basic). `new_cnonce` returns a client nonce.
    """

    def __init__(
        self,
        user: str,
        password: str,
        *,
        digest_only: bool = False,
        new_cnonce: Callable[[], str] = random_cnonce,
    ) -> None:
        self._user = _utf8_as_latin1(user)
        self._password = _utf8_as_latin1(password)
        self._digest_only = digest_only
        self._new_cnonce = new_cnonce
        self._challenge: Challenge | None = None
        self._count = 0
        """Requests sent with this nonce."""

    def challenged(self, values: Iterable[str]) -> bool:
        """Take the server's `WWW-Authenticate` lines, and return whether one of the challenges can be answered.

        The strongest digest is used. Basic is used only if no digest is offered.
        """
        challenges = parse_challenges(values)
        digests = [challenge for challenge in challenges if challenge.scheme == "digest"]
        answerable = [challenge for challenge in digests if _is_answerable(challenge)]
        if not digests and not self._digest_only:
            answerable = [challenge for challenge in challenges if challenge.scheme == "basic"]
        self._count = 0
        self._challenge = max(answerable, key=_strength, default=None)
        return self._challenge is not None

    @property
    def stale(self) -> bool:
        """Whether the server reports that only the nonce was too old and the credentials were right."""
        return self._challenge is not None and self._challenge.parameters.get("stale", "").lower() == "true"

    def authorization(self, method: str, url: str) -> str | None:
        """Return the `Authorization` header of a request, or None before the first challenge."""
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode("latin-1")).decode()
        return self._digest(self._challenge.parameters, method, url)

    def _digest(self, parameters: dict[str, str], method: str, url: str) -> str:
        name = _algorithm(parameters)

        def hashed(*parts: str) -> str:
            return hashlib.new(_HASHES[name], ":".join(parts).encode("latin-1"), usedforsecurity=False).hexdigest()

        realm, nonce = parameters.get("realm", ""), parameters.get("nonce", "")
        cnonce = self._new_cnonce()
        secret = hashed(self._user, realm, self._password)
        action = hashed(method, url)
        quoted = [("username", self._user), ("realm", realm), ("nonce", nonce), ("uri", url)]
        unquoted: list[str] = []
        if _offers_auth(parameters):
            self._count += 1
            response = hashed(secret, nonce, f"{self._count:08x}", cnonce, "auth", action)
            unquoted += ["qop=auth", f"nc={self._count:08x}"]
            quoted.append(("cnonce", cnonce))
        else:
            response = hashed(secret, nonce, action)
        quoted.append(("response", response))
        if "opaque" in parameters:
            quoted.append(("opaque", parameters["opaque"]))
        if "algorithm" in parameters:
            unquoted.insert(0, f"algorithm={name}")
        return "Digest " + ", ".join([*(f'{key}="{_escaped(value)}"' for key, value in quoted), *unquoted])


def _is_answerable(challenge: Challenge) -> bool:
    parameters = challenge.parameters
    return (
        "nonce" in parameters
        and _algorithm(parameters) in _HASHES
        and (_offers_auth(parameters) or not parameters.get("qop", "").strip())
    )


def _algorithm(parameters: dict[str, str]) -> str:
    return parameters.get("algorithm", "").strip().upper() or "MD5"


def _offers_auth(parameters: dict[str, str]) -> bool:
    """Return whether the server offers the quality of protection `auth`."""
    return "auth" in (quality.strip().lower() for quality in parameters.get("qop", "").split(","))


def _strength(challenge: Challenge) -> int:
    return list(_HASHES).index(_algorithm(challenge.parameters)) if challenge.scheme == "digest" else -1


def _utf8_as_latin1(text: str) -> str:
    """Return the UTF-8 of a text with each byte as one Latin-1 character, as messages are encoded."""
    return text.encode().decode("latin-1")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
