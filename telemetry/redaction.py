"""Removal of secrets from log text.

The engine's own messages contain no secrets. This protects against URLs and headers in exceptions, tracebacks and
messages of libraries. In doubtful cases it removes too much rather than too little.
"""

from __future__ import annotations

import re

HIDDEN = "***"

_CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)\S*@", re.IGNORECASE)
"""Up to the last @ of the word, because passwords may contain `/`, `:`, `?` and `@`, percent-encoded or not."""

_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?]*)\?[^\s'\"<>)\]]+", re.IGNORECASE)
"""The whole query, because some cameras take user name and password in it, under any names."""

_HEADER = re.compile(r"(\b(?:authorization|proxy-authorization)\b\s*['\"]?\s*[:=]\s*)[^\r\n]+", re.IGNORECASE)
_SCHEME = re.compile(r"\b(bearer|basic)\s+(?=\S*[0-9=])[A-Za-z0-9+/=_.~-]{6,}", re.IGNORECASE)
"""Requires a digit or padding, so that the words "basic authentication" are kept."""

_NAMED = re.compile(
    r"\b(\w*(?:password|passwd|pwd|token|secret|api_?key)\w*(?:\s*=\s*|['\"]\s*[:=]\s*|:(?=\S)))"
    r"(?:'[^']*'|\"[^\"]*\"|[^\s,;&'\")}\]]+)",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return the text without credentials and queries of URLs, authorization headers, and values named like secrets."""
    if "://" in text:
        text = _CREDENTIALS.sub(rf"\1{HIDDEN}@", text)
        text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    return _NAMED.sub(rf"\1{HIDDEN}", text)
