"""SourceAddress: a source's address, with secrets that are never printed."""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from stream.settings.source_kinds import ADDRESS_FORMS, TRAITS, SourceKind, SourceTraits, kind_of

MAX_ADDRESS_CHARS = 2048
"""Maximum characters of a camera's address."""
_CAPTURE_DEVICE = re.compile(r"(\d{1,3})|(/dev/(?:video\d+(?:\?\S*)?|v4l/\S+))")

_HOST_AND_PORT = re.compile(r"(\S+@)?([\w-]+\.)*[\w-]+:\d{1,5}(/\S*)?")
_NETWORK_SCHEMES = tuple(scheme for kind in ("rtsp", "whep") for scheme in TRAITS[kind].schemes)
_OTHER_SCHEMES = frozenset({"http", "https", "rtmp", "rtmps", "rtp", "srtp"})
"""Schemes that FFmpeg reads and that resemble one of `_NETWORK_SCHEMES`."""

_CREDENTIALS = re.compile(r"//.*:.*@")
_SECRET = re.compile(r"\?[^?]*=.*|(?:pass|pwd|token|secret)[a-z]*=.*", re.IGNORECASE)
"""A query, and a value named like a secret."""


class SourceAddress(str):
    """The address of a camera's source. Prints without its secrets; only `reveal()` returns the whole address.

    Forms: `rtsp://[user:password@]host[:port]/path`, a file's path, `device:/dev/video0`, `whip`,
    `whep+https://[TOKEN@]host[:port]/path`, `pattern:[WIDTHxHEIGHT[@FPS]]`.
    """

    __slots__ = ("_secret",)
    _secret: str

    def __new__(cls, address: str) -> SourceAddress:
        made = super().__new__(cls, redact(address))
        made._secret = address
        return made

    @classmethod
    def parse(cls, text: str) -> SourceAddress:
        """Parse a typed address: `0` and `/dev/video0` are short for `device:/dev/video0`.

        Raises ValueError, without quoting the address, if it is empty, too long or not printable, or if its scheme is
        missing or misspelt.
        """
        if not text:
            raise ValueError(f"must be an address: {ADDRESS_FORMS}")
        if len(text) > MAX_ADDRESS_CHARS or not text.isprintable():
            raise ValueError(f"must be an address of at most {MAX_ADDRESS_CHARS} printable characters")
        if _HOST_AND_PORT.fullmatch(text) and kind_of(text) == "file":
            raise ValueError("must begin with its scheme, for example rtsp://")
        scheme = text.partition("://")[0].lower() if "://" in text else ""
        if meant := _misspelt_scheme(scheme):
            raise ValueError(f"must not begin with {scheme}://; did you mean {meant}://?")
        device = _CAPTURE_DEVICE.fullmatch(text)
        return cls(f"device:{device[2] or f'/dev/video{device[1]}'}" if device else text)

    def reveal(self) -> str:
        """Return the address with its credentials, for opening it."""
        return self._secret

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate any non-empty string; serialise to a string without secrets."""

        def parse(value: object) -> SourceAddress:
            if isinstance(value, SourceAddress):
                return value
            if not isinstance(value, str):
                raise ValueError(f"must be an address: {ADDRESS_FORMS}")
            return cls.parse(value)

        return core_schema.no_info_plain_validator_function(
            parse,
            json_schema_input_schema=core_schema.str_schema(min_length=1, max_length=MAX_ADDRESS_CHARS),
            serialization=core_schema.to_string_ser_schema(),
        )

    @property
    def scheme(self) -> str:
        """The part before the first colon in lower case; `file` for a path without a scheme.

        Everything that FFmpeg might interpret as a protocol counts, such as `subfile,,start,0,,:/path`.
        """
        head, colon, _ = self._secret.partition(":")
        if head.lower() == "whip":
            return "whip"
        return head.lower() if colon and "/" not in head else "file"

    @property
    def kind(self) -> SourceKind:
        """Type of source."""
        return kind_of(self._secret)

    @property
    def traits(self) -> SourceTraits:
        """What the source can do."""
        return TRAITS[self.kind]


def _misspelt_scheme(scheme: str) -> str | None:
    """Return the scheme that is spelt most like this one, if it is no scheme itself."""
    if scheme in _NETWORK_SCHEMES or scheme in _OTHER_SCHEMES:
        return None
    return next(iter(difflib.get_close_matches(scheme, _NETWORK_SCHEMES, 1, cutoff=0.75)), None)


def redact(address: str) -> str:
    """Return the address without user name, password, query and fragment, which may all contain secrets.

    Some cameras expect secrets in the path (`/user=admin_password=…`), so everything after its first `=` is removed
    too. Secrets are also removed from mistyped addresses (`rtsp:user:password@…`), which errors show.
    """
    if "://" not in address:
        return _redact_mistyped(address)
    scheme, rest = address.split("://", 1)
    place, *secrets = re.split(r"[?#=]", rest.rpartition("@")[2] if "@" in rest else rest, maxsplit=1)
    return f"{scheme}://{place}{'?…' if secrets else ''}"


def quoted(value: str, most: int = 80) -> str:
    """Return a value in quotation marks, without secrets, and only the first `most` characters of a long one."""
    shown = redact(value)
    return repr(shown if len(shown) <= most else f"{shown[: most - 1]}…")


def _redact_mistyped(address: str) -> str:
    """Return a text that is not a URL without what would be a secret if it were one."""
    head, _, rest = address.partition(":")
    if not TRAITS[kind_of(head)].may_hold_secrets:
        return address
    if "@" in rest and "/" not in head:
        address = f"{head}:{rest.rpartition('@')[2]}"
    elif _CREDENTIALS.search(address):  # for example `rtsp//user:password@…`
        address = f"{address.partition('//')[0]}//{address.rpartition('@')[2]}"
    secret = _SECRET.search(address)
    return f"{address[: secret.start()]}?…" if secret is not None else address
