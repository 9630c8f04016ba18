"""Takes secrets out of text that goes to a log: the last line of defence, for text that others made.

The engine's own addresses never show their secrets in the first place; but an exception's text, a traceback or a
library's message may carry a whole URL or header. When in doubt, more is taken out than need be.
"""

from __future__ import annotations

import re

HIDDEN = "***"

_CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)\S*@", re.IGNORECASE)
"""All up to the last @ of the word: passwords hold `/`, `:`, `?` and `@` themselves, percent-encoded or not."""

_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?]*)\?[^\s'\"<>)\]]+", re.IGNORECASE)
"""Cameras take user name and password in the query, too, under any names."""

_HEADER = re.compile(r"(\b(?:authorization|proxy-authorization)\b\s*['\"]?\s*[:=]\s*)[^\r\n]+", re.IGNORECASE)
_SCHEME = re.compile(r"\b(bearer|basic)\s+(?=\S*[0-9=])[A-Za-z0-9+/=_.~-]{6,}", re.IGNORECASE)
"""With a digit or padding in it, so that "basic authentication" stays what it says."""

_NAMED = re.compile(
    r"\b(\w*(?:password|passwd|pwd|token|secret|api_?key)\w*(?:\s*=\s*|['\"]\s*[:=]\s*|:(?=\S)))"
    r"(?:'[^']*'|\"[^\"]*\"|[^\s,;&'\")}\]]+)",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """The text without credentials in URLs, URLs' queries, authorization headers, and values named like secrets."""
    if "://" in text:
        text = _CREDENTIALS.sub(rf"\1{HIDDEN}@", text)
        text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    return _NAMED.sub(rf"\1{HIDDEN}", text)
