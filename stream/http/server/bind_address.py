"""The address on which the HTTP server listens, and its TLS certificate."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

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
    if not host or not port_text.isdecimal():
        raise ConfigError(f"{setting}: {bind!r} is not HOST:PORT, for example 127.0.0.1:9090")
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


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context for TLS 1.2 or newer. Raises `ConfigError` naming the setting."""
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(f"http.{name}: cannot read {path}: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password callback, OpenSSL would ask on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError, OSError):
        raise ConfigError(
            f"http.tls_certificate, http.tls_key: {certificate} and {key} must be a certificate and its "
            "private key, both PEM, the key without a passphrase"
        ) from None
    return context
