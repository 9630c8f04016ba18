"""Which URLs SETUP and PLAY name: what a description calls `control`, joined to where it came from.

RFC 2326 asks for the joining of RFC 1808. Cameras expect what players do: a slash and the name at the end, even behind
a query (`?channel=1&subtype=0/trackID=0`).
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from stream.sources.rtsp.protocol.address import RtspAddress, sendable
from stream.sources.rtsp.protocol.messages import Headers

_ABSOLUTE = re.compile(r"rtsps?://", re.IGNORECASE)


def base_of(request_url: str, headers: Headers) -> str:
    """What controls are relative to: the description's `Content-Base`, `Content-Location`, or the URL asked for."""
    for name in ("Content-Base", "Content-Location"):
        value = headers.url(name) or ""
        if value.startswith("/"):
            return _root(request_url) + sendable(value)
        if _ABSOLUTE.match(value) and (clean := _without_credentials(value)):
            return clean
    return request_url


def control_urls(base: str, session_control: str | None, control: str | None) -> tuple[str, list[str]]:
    """What PLAY names (all streams together), and what SETUP may have to name, likeliest first."""
    aggregate = joined(base, session_control)
    if session_control is not None and _ABSOLUTE.match(session_control):
        base = aggregate
    return aggregate, list(dict.fromkeys((joined(base, control), _resolved(base, control))))


def joined(base: str, control: str | None) -> str:
    """The URL of what `control` names: the base itself for `*` and for none."""
    if not control or control == "*":
        return base
    if _ABSOLUTE.match(control):
        return _without_credentials(control) or base
    control = sendable(control)
    if control.startswith("/"):
        path = urlsplit(base).path.rstrip("/")
        if path and (control == path or control.startswith((path + "/", path + "?"))):
            return _root(base) + control
    if control.startswith(("?", "/")) or base.endswith("/"):
        return base.removesuffix("/" if control.startswith("/") else "") + control
    return f"{base}/{control}"


def _resolved(base: str, control: str | None) -> str:
    """As the standard has it: beside the base, not below it, unless the base ends with a slash."""
    if not control or control == "*" or _ABSOLUTE.match(control):
        return joined(base, control)
    root = _root(base)
    try:
        parts = urlsplit(urljoin("http://host" + base.removeprefix(root), control))
    except ValueError:
        return joined(base, control)
    return root + sendable(parts.path + (f"?{parts.query}" if parts.query else ""))


def _without_credentials(url: str) -> str | None:
    """An absolute URL as it may be sent; None if it has no host."""
    try:
        address = RtspAddress.parse(url)
    except ValueError:
        return None
    _, _, rest = url.partition("://")
    place, slash, target = rest.partition("/")
    return sendable(f"{address.scheme}://{place.rpartition('@')[2]}{slash}{target}")


def _root(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split(r'[/?]', rest, maxsplit=1)[0]}"
