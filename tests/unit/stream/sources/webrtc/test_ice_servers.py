"""Warnings of STUN and TURN servers that give no address."""

from __future__ import annotations

import pytest

from stream.settings.network import IceServer
from stream.sources.webrtc.ice_servers import WARN_EVERY_S, IceServers

HOST = "a=candidate:1 1 udp 2130706431 10.0.0.5 40000 typ host\r\n"
HOST_6 = "a=candidate:1 1 udp 2130706431 fd00::5 40000 typ host\r\n"
STUN = "a=candidate:2 1 udp 1694498815 203.0.113.5 40000 typ srflx raddr 10.0.0.5 rport 40000\r\n"
TURN = "a=candidate:3 1 udp 16777215 203.0.113.9 50000 typ relay raddr 10.0.0.5 rport 40000\r\n"


def servers(*urls: str) -> IceServers:
    given = [{"urls": [url], "username": "bob", "credential": "geheim"} for url in urls]
    return IceServers([IceServer.model_validate(one) for one in given])


def test_a_server_that_gives_no_address_is_named_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    checked = servers("stun:s.example", "turn:t.example:3478")
    checked.check(HOST + STUN, 100.0)
    checked.check(HOST + STUN, 100.0 + WARN_EVERY_S / 2)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "webrtc.ice_servers: turn:t.example:3478 gives no address" in caplog.text and "geheim" not in caplog.text
    checked.check(HOST + TURN, 100.0 + WARN_EVERY_S)
    assert len(caplog.records) == 2 and "stun:s.example gives no address" in caplog.text


def test_servers_that_answered_or_were_not_asked_are_not_named(caplog: pytest.LogCaptureFixture) -> None:
    servers("stun:s.example", "turn:t.example").check(HOST + STUN + TURN, 0.0)
    servers("stun:s.example").check(HOST_6, 0.0)
    servers().check(HOST, 0.0)
    assert not caplog.records
