"""Where the HTTP server listens, and whether other hosts can reach it there."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from stream.settings.section import ConfigError

BACKLOG = 128
"""Connections that the kernel holds until they are accepted."""


@dataclass(frozen=True, slots=True)
class BindAddress:
    """A literal IP address and a port; `loopback` if only this machine can reach it."""

    host: str
    port: int
    loopback: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def listen(self) -> socket.socket:
        """Return a listening, non-blocking socket. Raises OSError."""
        family, _, _, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
        listener.setblocking(False)
        return listener


def resolve(bind: str) -> BindAddress:
    """`host:port` as one literal address; names are looked up once, so that what is checked is what is bound.

    IPv6 hosts stand in brackets. Of a name's addresses the first IPv4 one is taken, since `localhost` is expected to
    mean 127.0.0.1. Raises `ConfigError` naming http.bind.
    """
    host, _, port_text = bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    port = int(port_text)
    if port > 65535:
        raise ConfigError(f"http.bind: {bind}: there is no port {port}; the highest is 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise ConfigError(f"http.bind: {bind}: the host {host!r} is not known; use an IP address") from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    literal = str(found[0][4][0])
    return BindAddress(literal, port, ipaddress.ip_address(literal.partition("%")[0]).is_loopback)
