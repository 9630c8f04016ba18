"""TCP connections by host name, with name look-ups that can be abandoned.

A look-up can block without limit, and in the loop's thread pool it would delay others and the end of the process. So
each one runs in a daemon thread, which is abandoned when the connection is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

P = TypeVar("P", bound=asyncio.BaseProtocol)

Address = tuple[int, tuple[Any, ...]]
"""Address family and socket address. A link-local IPv6 address needs its zone."""

ADDRESS_TIMEOUT_S = 2.0
"""Time before a host's next address is tried. Many names have an IPv6 address that cannot be reached."""


async def dial(
    host: str, port: int, protocol: Callable[[], P], tls: ssl.SSLContext | None, on_connected: Callable[[], None]
) -> P:
    """Connect, and return the connection's protocol. `on_connected` is called before the TLS handshake.

    Raises OSError (including `socket.gaierror` and `ssl.SSLError`).
    """
    loop = asyncio.get_running_loop()
    addresses = await _addresses(host, port)
    for number, address in enumerate(addresses):
        last = number == len(addresses) - 1
        try:
            async with asyncio.timeout(None if last else ADDRESS_TIMEOUT_S):
                connection = await _connect(address)
                on_connected()
                server_hostname = host if tls is not None else None
                return (
                    await loop.create_connection(protocol, sock=connection, ssl=tls, server_hostname=server_hostname)
                )[1]
        except ssl.SSLError:
            raise
        except (OSError, TimeoutError):
            if last:
                raise
    raise socket.gaierror(socket.EAI_NONAME, "no address")


async def _connect(address: Address) -> socket.socket:
    family, socket_address = address
    connecting = socket.socket(family, socket.SOCK_STREAM)
    connecting.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connecting, socket_address)
    except BaseException:
        connecting.close()
        raise
    return connecting


async def _addresses(host: str, port: int) -> list[Address]:
    """Return a host's addresses without duplicates, in order of preference."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Address]] = loop.create_future()

    def set_found(addresses: list[Address], error: OSError | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses)

    def look_up() -> None:
        addresses: list[Address] = []
        error: OSError | None = None
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys((family, socket_address) for family, _, _, _, socket_address in infos))
        except UnicodeError:
            error = socket.gaierror(socket.EAI_NONAME, "not a name")
        except OSError as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(set_found, addresses, error)

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    return await found
