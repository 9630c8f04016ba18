"""Tests of bound addresses, as other hosts reach them."""

from __future__ import annotations

import socket

import pytest

from stream.membership.addresses import public, public_http


def test_addresses_are_announced_as_other_hosts_reach_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-3")
    for address, host, announced in (
        ("tcp://127.0.0.1:5555", None, "tcp://127.0.0.1:5555"),
        ("tcp://0.0.0.0:5555", None, "tcp://gpu-3:5555"),
        ("tcp://0.0.0.0:5555", "10.0.0.3", "tcp://10.0.0.3:5555"),
        ("tcp://[::1]:5555", "fe80::1", "tcp://[fe80::1]:5555"),
        ("ipc:///run/results", "10.0.0.3", "ipc:///run/results"),
    ):
        assert public(address, host) == announced


def test_an_http_server_on_loopback_is_not_announced_to_other_hosts() -> None:
    for http, host, endpoint, announced in (
        ("http://[::1]:9090", None, "tcp://gpu-3.lab:5555", None),
        ("https://0.0.0.0:9090", "10.0.0.3", "tcp://10.0.0.3:5555", "https://10.0.0.3:9090"),
        ("http://127.0.0.1:9090", None, "tcp://127.0.0.1:5555", "http://127.0.0.1:9090"),
        ("http://127.0.0.1:9090", None, "ipc:///run/results", "http://127.0.0.1:9090"),
        (None, "10.0.0.3", "tcp://10.0.0.3:5555", None),
    ):
        assert public_http(http, host, endpoint) == announced, (http, endpoint)
