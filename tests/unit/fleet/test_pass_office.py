"""The origins of engines and of the live page, as browsers write them."""

from __future__ import annotations

import socket

import pytest

from fleet.pass_office import origin_of, page_origins


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("http://gpu-1:9090", "http://gpu-1:9090"),
        ("https://GPU-1.example:9090/", "https://gpu-1.example:9090"),
        ("http://10.0.0.7:80", "http://10.0.0.7"),
        ("https://gpu-1:443", "https://gpu-1"),
        ("http://[fd00::7]:9090", "http://[fd00::7]:9090"),
        (None, None),
        ("http://gpu-1:9090/path", None),
        ("http://user@gpu-1:9090", None),
        ("http://*:9090", None),
        ("http://a;script-src *:9090", None),
        ("http://a:9090\n", None),
        ("http://ä:9090", None),
    ],
)
def test_only_a_plain_address_has_an_origin(address: str | None, origin: str | None) -> None:
    assert origin_of(address) == origin


def test_the_page_is_where_it_is_configured_or_at_the_servers_own_address() -> None:
    assert page_origins(["https://fleet.example"], "http://0.0.0.0:9095") == ["https://fleet.example"]
    assert page_origins([], "http://127.0.0.1:9095") == ["http://127.0.0.1:9095", "http://localhost:9095"]
    assert page_origins([], "https://10.0.0.2:443") == ["https://10.0.0.2"]
    assert page_origins([], "http://0.0.0.0:9095") == [f"http://{socket.gethostname().lower()}:9095"]
