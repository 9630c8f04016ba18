"""TLS from certificate files, and its handshakes, which are counted like connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import cast

from stream.settings.section import ConfigError

HANDSHAKE_WITHIN_S = 5.0


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with this certificate. Raises `ConfigError` naming the setting that is at fault."""
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(f"http.{name}: {path} can't be read: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password's function OpenSSL would ask on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError, OSError):
        raise ConfigError(
            f"http.tls_certificate, http.tls_key: {certificate} and {key} are no certificate (PEM) and its private "
            "key (PEM, without a passphrase)"
        ) from None
    return context


class Handshake(asyncio.Protocol):
    """A new connection until TLS is agreed on; then it is handed to the protocol that `make` gives.

    asyncio's own way accepts first and lets one refuse after the handshake, so that whoever never finishes his can
    take any number of descriptors. `under_way` has those that go on, to be counted.
    """

    def __init__(
        self, context: ssl.SSLContext, make: Callable[[], asyncio.Protocol], under_way: set[Handshake]
    ) -> None:
        self._context = context
        self._make = make
        self._under_way = under_way
        self._agreeing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast(asyncio.Transport, transport)  # uvloop's doesn't say that it is one
        connection.pause_reading()
        self._under_way.add(self)
        self._agreeing = asyncio.get_running_loop().create_task(self._agree(connection), name="TLS handshake")

    async def _agree(self, transport: asyncio.Transport) -> None:
        early = _Early()
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                transport, early, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_WITHIN_S
            )
        except (OSError, ValueError):  # no TLS, none that is taken here, or gone; ssl's errors are OSErrors
            transport.abort()
            return
        finally:
            self._under_way.discard(self)
        if encrypted is None or early.lost:
            transport.abort()
            return
        protocol = self._make()
        protocol.connection_made(encrypted)
        encrypted.set_protocol(protocol)
        if early.received:
            protocol.data_received(bytes(early.received))


class _Early(asyncio.Protocol):
    """Keeps what comes with the end of the handshake, before anybody is told of the connection."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
