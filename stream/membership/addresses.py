"""Bound addresses, as other hosts reach them."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

_ALL_INTERFACES = ("0.0.0.0", "*", "[::]")


def public(address: str, host: str | None) -> str:
    """Return a bound address, `scheme://host:port`, as other hosts reach it: at `host`, if that is given.

    Otherwise it stays, except that the name of the machine replaces an address that stands for all interfaces.
    """
    bound, port = _host_and_port(address)
    scheme = address.partition("://")[0]
    if scheme == "ipc" or not bound:
        return address
    if host is None:
        host = socket.gethostname() if bound in _ALL_INTERFACES else bound
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{scheme}://{host}:{port}"


def public_http(address: str | None, host: str | None, endpoint: str) -> str | None:
    """Return the address of the HTTP server as those reach it that are told `endpoint`, the engine's public one.

    None if there is no server, or it listens on loopback only and `endpoint` is for other hosts.
    """
    if address is None or (_is_loopback(address) and not _is_of_this_machine(endpoint)):
        return None
    return public(address, host)


def _host_and_port(address: str) -> tuple[str, str]:
    host, _, port = address.partition("://")[2].rpartition(":")
    return host, port


def _is_of_this_machine(endpoint: str) -> bool:
    return endpoint.startswith("ipc:") or _is_loopback(endpoint)


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # the name of a machine
        return False
