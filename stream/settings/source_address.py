"""SourceAddress: where a camera's pictures come from, with secrets that never print."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

LONGEST_ADDRESS = 2048
"""Characters of a camera's address."""
FORMS = "rtsp://…, a file, device:/dev/video0, whip, whep+https://… or pattern:"
_CAPTURE_DEVICE = re.compile(r"(\d{1,3})|(/dev/(?:video\d+(?:\?\S*)?|v4l/\S+))")


class SourceAddress(str):
    """Where a camera's pictures come from. Prints without its secrets; only `reveal()` gives the whole address.

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
        """Return the address that a person typed: `0` and `/dev/video0` are short for `device:/dev/video0`."""
        device = _CAPTURE_DEVICE.fullmatch(text)
        return cls(f"device:{device[2] or f'/dev/video{device[1]}'}" if device else text)

    def reveal(self) -> str:
        """The address with its credentials, for the one who opens it."""
        return self._secret

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Made from any non-empty string; a string in JSON and in its schema."""

        def parse(value: object) -> SourceAddress:
            if isinstance(value, SourceAddress):
                return value
            if not isinstance(value, str) or not value:
                raise ValueError(f"must be an address: {FORMS}")
            if len(value) > LONGEST_ADDRESS or not value.isprintable():
                raise ValueError(f"must be an address of at most {LONGEST_ADDRESS} printable characters")
            return cls.parse(value)

        return core_schema.no_info_plain_validator_function(
            parse,
            json_schema_input_schema=core_schema.str_schema(min_length=1, max_length=LONGEST_ADDRESS),
            serialization=core_schema.to_string_ser_schema(),
        )

    @property
    def scheme(self) -> str:
        """What stands before the address's first colon, in lower case; `file` for a path without one.

        Whatever libav could take for a protocol is one here, also `subfile,,start,0,,:/path`.
        """
        head, colon, _ = self._secret.partition(":")
        if head.lower() == "whip":
            return "whip"
        return head.lower() if colon and "/" not in head else "file"

    @property
    def kind(self) -> Literal["rtsp", "device", "whip", "whep", "pattern", "file"]:
        """Which of the ways in it names."""
        scheme = self._secret.split(":", 1)[0].lower()
        if scheme in ("rtsp", "rtsps"):
            return "rtsp"
        if scheme in ("whep+http", "whep+https"):
            return "whep"
        return scheme if scheme in ("device", "whip", "pattern") else "file"  # pyright: ignore[reportReturnType]


def redact(address: str) -> str:
    """The address without user name, password, query and fragment: cameras carry secrets in all of them.

    Some write them into the path (`/user=admin_password=…`): of a path, all after a first `=` goes too. Where the
    slashes were forgotten (`rtsp:user:password@…`) it can't be opened, and is shown where it can't.
    """
    if "://" not in address:
        head, _, rest = address.partition(":")
        wrong = "@" in rest and "/" not in head and head.lower() not in ("device", "pattern")
        return f"{head}:{rest.rpartition('@')[2]}" if wrong else address
    scheme, rest = address.split("://", 1)
    place, *secrets = re.split(r"[?#=]", rest.rpartition("@")[2] if "@" in rest else rest, maxsplit=1)
    return f"{scheme}://{place}{'?…' if secrets else ''}"
