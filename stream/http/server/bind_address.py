"""The address on which the HTTP server listens."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from stream.settings.config_error import ConfigError

BACKLOG = 128
"""Connections that the kernel holds until they are accepted."""


@dataclass(frozen=True, slots=True)
class BindAddress:
    """A literal IP address and a port. `loopback` is true if only this machine can reach it."""

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


def resolve(bind: str, setting: str = "http.bind") -> BindAddress:
    """Resolve `host:port` to one literal address, so that the address that is checked is the one that is bound.

    IPv6 hosts are in brackets. IPv4 addresses are preferred, because users expect `localhost` to be 127.0.0.1. Raises
    `ConfigError` naming `setting`.
    """
    host, _, port_text = bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    port = int(port_text)
    if port > 65535:
        raise ConfigError(f"{setting}: {bind}: there is no port {port}: the highest is 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise ConfigError(f"{setting}: {bind}: unknown host {host!r}: use an IP address") from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    literal = str(found[0][4][0])
    return BindAddress(literal, port, ipaddress.ip_address(literal.partition("%")[0]).is_loopback)
