"""Dialling: a TCP connection to a host by its name, without being at the mercy of name look-ups.

A look-up can block without limit, and neither the loop's own pool of threads nor the process's end would be rid of it:
each has a thread of its own, which is left behind.
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
"""Family and a socket's name of it: of IPv6 with the zone, without which an address of one link leads nowhere."""

EACH_ADDRESS_S = 2.0
"""How long an address that isn't a host's last may take, before the next is tried: many names have an IPv6 address that
leads nowhere."""


async def dial(
    host: str, port: int, protocol: Callable[[], P], tls: ssl.SSLContext | None, reached: Callable[[], None]
) -> P:
    """The protocol of a connection that is made; `reached` is called before its TLS. Raises OSError (`socket.gaierror`,
    `ssl.SSLError` too)."""
    loop = asyncio.get_running_loop()
    addresses = await _addresses(host, port)
    for number, address in enumerate(addresses):
        last = number == len(addresses) - 1
        try:
            async with asyncio.timeout(None if last else EACH_ADDRESS_S):
                connected = await _connected(address)
                reached()
                server_hostname = host if tls is not None else None
                return (
                    await loop.create_connection(protocol, sock=connected, ssl=tls, server_hostname=server_hostname)
                )[1]
        except ssl.SSLError:
            raise
        except (OSError, TimeoutError):
            if last:
                raise
    raise socket.gaierror(socket.EAI_NONAME, "no address")


async def _connected(address: Address) -> socket.socket:
    family, where = address
    connecting = socket.socket(family, socket.SOCK_STREAM)
    connecting.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connecting, where)
    except BaseException:
        connecting.close()
        raise
    return connecting


async def _addresses(host: str, port: int) -> list[Address]:
    """In the order of preference, each once."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Address]] = loop.create_future()

    def tell(addresses: list[Address], error: OSError | None) -> None:
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
            addresses = list(dict.fromkeys((family, where) for family, _, _, _, where in infos))
        except UnicodeError:
            error = socket.gaierror(socket.EAI_NONAME, "not a name")
        except OSError as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, addresses, error)

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    return await found
