"""Bound addresses, as other hosts reach them."""

from __future__ import annotations

import re
import socket

_ALL_INTERFACES = ("0.0.0.0", "*", "[::]")
_OF_THIS_MACHINE = re.compile(r"ipc:|\w+://(localhost|127\.[\d.]+|\[::1\]):").match


def public(address: str, host: str | None) -> str:
    """Return a bound address, `scheme://host:port`, as other hosts reach it: at `host`, if that is given.

    Otherwise it stays, except that the name of the machine replaces an address that stands for all interfaces.
    """
    scheme, _, rest = address.partition("://")
    bound, _, port = rest.rpartition(":")
    if scheme == "ipc":
        return address
    if host is None:
        host = socket.gethostname() if bound in _ALL_INTERFACES else bound
    elif ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}:{port}"


def public_http(address: str | None, host: str | None, endpoint: str) -> str | None:
    """Return the address of the HTTP server for those that reach the engine at `endpoint`, its public one.

    None if there is no server, or it listens on loopback only and `endpoint` is for other hosts.
    """
    if address is None or (_OF_THIS_MACHINE(address) and not _OF_THIS_MACHINE(endpoint)):
        return None
    return public(address, host)
