"""Resolution of host names, and the resulting socket addresses."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from stream.sources.rtsp.client import dial
from stream.sources.rtsp.udp_sockets import UdpSockets


async def test_an_address_of_one_link_is_connected_to_in_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []

    async def connect(connecting: socket.socket, where: Any) -> None:
        connected.append(where)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)
    with pytest.raises(ConnectionRefusedError):
        await dial("fe80::1%lo", 554, asyncio.Protocol, None, lambda: None)
    assert connected == [("fe80::1", 554, 0, socket.if_nametoindex("lo"))]


async def test_ports_are_bound_in_the_zone_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[Any] = []

    class Socket(socket.socket):
        def bind(self, address: Any, /) -> None:
            bound.append(address)
            super().bind(("::1", 0))

    monkeypatch.setattr(socket, "socket", Socket)
    UdpSockets("fe80::1%3", lambda packet, now_ns: None, lambda packet, now_ns: None, lambda error: None).close()
    assert [(host, zone) for host, _, _, zone in bound] == [("fe80::1", 3)] * 2
