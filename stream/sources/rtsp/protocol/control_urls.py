"""URLs for SETUP and PLAY: a description's `control` attributes, resolved against its base URL.

RFC 2326 requires resolution by RFC 1808. Cameras expect what players do: append a slash and the name, even after a
query (`?channel=1&subtype=0/trackID=0`).
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from stream.sources.rtsp.protocol.address import RtspAddress, sendable
from stream.sources.rtsp.protocol.messages import Headers

_ABSOLUTE = re.compile(r"rtsps?://", re.IGNORECASE)


def base_of(request_url: str, headers: Headers) -> str:
    """Return the base URL of controls: the description's `Content-Base`, its `Content-Location`, or the request URL."""
    for name in ("Content-Base", "Content-Location"):
        value = headers.url(name) or ""
        if value.startswith("/"):
            return _root(request_url) + sendable(value)
        if _ABSOLUTE.match(value) and (clean := _without_credentials(value)):
            return clean
    return request_url


def control_urls(base: str, session_control: str | None, control: str | None) -> tuple[str, list[str]]:
    """Return the URL for PLAY (all streams together), and the candidates for SETUP, likeliest first."""
    aggregate = joined(base, session_control)
    if session_control is not None and _ABSOLUTE.match(session_control):
        base = aggregate
    return aggregate, list(dict.fromkeys((joined(base, control), _resolved(base, control))))


def joined(base: str, control: str | None) -> str:
    """Return the URL of a `control` as players build it; without one, or for `*`, this is the base."""
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
    """Return the URL by RFC 1808: beside the base, or below it if the base ends with a slash."""
    if not control or control == "*" or _ABSOLUTE.match(control):
        return joined(base, control)
    root = _root(base)
    try:
        parts = urlsplit(urljoin("http://host" + base.removeprefix(root), control))
    except ValueError:
        return joined(base, control)
    return root + sendable(parts.path + (f"?{parts.query}" if parts.query else ""))


def _without_credentials(url: str) -> str | None:
    """Return an absolute URL encoded for a request without credentials, or None if it is not an RTSP address."""
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
