"""Credentials: what answers a server's challenge (Digest of RFC 7616 and RFC 2069, Basic)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

MOST_CHALLENGES = 16
LONGEST_CHALLENGE = 4096
"""Characters of one line of `WWW-Authenticate`; what is beyond isn't looked at."""

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_STRENGTH = ("MD5", "SHA-512-256", "SHA-256")
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
    """The challenges of every `WWW-Authenticate` line, several on one line too. Never raises."""
    challenges: list[Challenge] = []
    for value in islice(values, MOST_CHALLENGES):
        current: Challenge | None = None
        for part in _PART.finditer(value[:LONGEST_CHALLENGE]):
            if part["scheme"]:
                current = Challenge(part["scheme"].lower())
                challenges.append(current)
            elif part["name"] and current is not None:
                text = part["plain"] if part["quoted"] is None else re.sub(r"\\(.)", r"\1", part["quoted"])
                current.parameters.setdefault(part["name"].lower(), text)
    return challenges


def random_cnonce() -> str:
    """The client's share of a digest's randomness."""
    return secrets.token_hex(8)


class Credentials:
    """A user's name and password, and what the server last asked them to be shown with.

    `digest_only`: the password itself isn't for this server. `new_cnonce` makes the client's share of randomness.
    """

    def __init__(
        self,
        user: str,
        password: str,
        *,
        digest_only: bool = False,
        new_cnonce: Callable[[], str] = random_cnonce,
    ) -> None:
        self._user = _as_bytes_of_utf_8(user)
        self._password = _as_bytes_of_utf_8(password)
        self._digest_only = digest_only
        self._new_cnonce = new_cnonce
        self._challenge: Challenge | None = None
        self._count = 0
        """Requests made with this nonce."""

    def challenged(self, values: Iterable[str]) -> bool:
        """The server wants to see credentials: these are its `WWW-Authenticate` lines. False if none can be answered.

        Of several the strongest digest is taken; Basic only if there is no digest at all.
        """
        challenges = parse_challenges(values)
        digests = [challenge for challenge in challenges if challenge.scheme == "digest"]
        answerable = [challenge for challenge in digests if _can_be_answered(challenge)]
        if not digests and not self._digest_only:
            answerable = [challenge for challenge in challenges if challenge.scheme == "basic"]
        self._count = 0
        self._challenge = max(answerable, key=_strength, default=None)
        return self._challenge is not None

    @property
    def stale(self) -> bool:
        """The server says that only the nonce was too old, and the rest right."""
        return self._challenge is not None and self._challenge.parameters.get("stale", "").lower() == "true"

    def authorization(self, method: str, url: str) -> str | None:
        """The `Authorization` of a request; None before the first challenge."""
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode("latin-1")).decode()
        return self._digest(self._challenge.parameters, method, url)

    def _digest(self, asked: dict[str, str], method: str, url: str) -> str:
        name, session = _algorithm(asked)

        def hashed(*parts: str) -> str:
            return hashlib.new(_HASHES[name], ":".join(parts).encode("latin-1"), usedforsecurity=False).hexdigest()

        realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
        cnonce = self._new_cnonce()
        secret = hashed(self._user, realm, self._password)
        if session:
            secret = hashed(secret, nonce, cnonce)
        action = hashed(method, url)
        said = [("username", self._user), ("realm", realm), ("nonce", nonce), ("uri", url)]
        counted: list[str] = []
        if asked.get("userhash", "").lower() == "true":
            said[0] = ("username", hashed(self._user, realm))
            counted.append("userhash=true")
        if _quality(asked):
            self._count += 1
            response = hashed(secret, nonce, f"{self._count:08x}", cnonce, "auth", action)
            counted += ["qop=auth", f"nc={self._count:08x}"]
        else:
            response = hashed(secret, nonce, action)
        said.append(("response", response))
        if _quality(asked) or session:
            said.append(("cnonce", cnonce))
        if "opaque" in asked:
            said.append(("opaque", asked["opaque"]))
        if "algorithm" in asked:
            counted.insert(0, f"algorithm={name}{'-sess' if session else ''}")
        return "Digest " + ", ".join([*(f'{key}="{_escaped(value)}"' for key, value in said), *counted])


def _can_be_answered(challenge: Challenge) -> bool:
    asked = challenge.parameters
    name, _ = _algorithm(asked)
    return (
        "nonce" in asked
        and name in _HASHES
        and _HASHES[name] in hashlib.algorithms_available
        and (_quality(asked) or not asked.get("qop", "").strip())
    )


def _algorithm(asked: dict[str, str]) -> tuple[str, bool]:
    """The name of the hash, and whether its secret is made anew for the session."""
    name = asked.get("algorithm", "").strip().upper() or "MD5"
    return name.removesuffix("-SESS"), name.endswith("-SESS")


def _quality(asked: dict[str, str]) -> bool:
    """Whether `auth` is among the qualities of protection that the server takes; it may name none."""
    return "auth" in (quality.strip().lower() for quality in asked.get("qop", "").split(","))


def _strength(challenge: Challenge) -> int:
    return _STRENGTH.index(_algorithm(challenge.parameters)[0]) if challenge.scheme == "digest" else -1


def _as_bytes_of_utf_8(text: str) -> str:
    """The UTF-8 of a text, each byte as one character: what messages are written in."""
    return text.encode().decode("latin-1")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
