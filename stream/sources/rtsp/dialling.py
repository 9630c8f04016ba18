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
from typing import TypeVar

P = TypeVar("P", bound=asyncio.BaseProtocol)

EACH_ADDRESS_S = 2.0
"""How long an address that isn't a host's last may take, before the next is tried: many names have an IPv6 address that
leads nowhere."""


async def dial(host: str, port: int, protocol: Callable[[], P], tls: ssl.SSLContext | None) -> P:
    """The protocol of a connection that is made. Raises OSError (`socket.gaierror`, `ssl.SSLError` too)."""
    loop = asyncio.get_running_loop()
    addresses = await _addresses(host, port)
    for number, address in enumerate(addresses):
        last = number == len(addresses) - 1
        connecting = loop.create_connection(
            protocol, address, port, ssl=tls, server_hostname=host if tls is not None else None
        )
        try:
            async with asyncio.timeout(None if last else EACH_ADDRESS_S):
                return (await connecting)[1]
        except ssl.SSLError:
            raise
        except (OSError, TimeoutError):
            if last:
                raise
    raise socket.gaierror(socket.EAI_NONAME, "no address")


async def _addresses(host: str, port: int) -> list[str]:
    """In the order of preference, each once."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def tell(addresses: list[str], error: OSError | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses)

    def look_up() -> None:
        addresses: list[str] = []
        error: OSError | None = None
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
        except UnicodeError:
            error = socket.gaierror(socket.EAI_NONAME, "not a name")
        except OSError as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, addresses, error)

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    return await found
