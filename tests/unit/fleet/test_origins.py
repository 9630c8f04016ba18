"""The origins of the live page, as browsers write them."""

from __future__ import annotations

import socket

from fleet.controller_actor import origins_at


def test_the_page_is_at_its_servers_own_address() -> None:
    assert origins_at("http://127.0.0.1:9095") == ["http://127.0.0.1:9095", "http://localhost:9095"]
    assert origins_at("https://10.0.0.2:443") == ["https://10.0.0.2"]
    assert origins_at("http://0.0.0.0:9095") == [f"http://{socket.gethostname().lower()}:9095"]
