"""Asking Ray's autoscaler for what the coordinator needs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fleet.cluster.autoscaling import ENGINE_RESOURCE
from fleet.cluster.node_requests import EVERY_S, NodeRequests
from fleet.settings import FleetConfig

ENGINE = {"engine": "a", "node": "a", "state": "leased", "capacity": 100.0, "max_cameras": 64}


class Coordinator(ThreadingHTTPServer):
    """Answers every request with the status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = b""
        self.redirects_to: str | None = None
        self.asked: list[tuple[str, str | None]] = []

    def tells(self, cameras: int, mpx: float) -> None:
        self.body = json.dumps({"engines": [ENGINE], "no_room_cameras": cameras, "no_room_mpx": mpx}).encode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Coordinator)
        self.server.asked.append((self.path, self.headers["Authorization"]))
        if self.server.redirects_to is None:
            self.send_response(200)
        else:
            self.send_response(302)
            self.send_header("Location", self.server.redirects_to)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@contextmanager
def answering() -> Iterator[Coordinator]:
    with Coordinator() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def coordinator() -> Iterator[Coordinator]:
    with answering() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Coordinator]:
    """Another server, which must not get the token."""
    with answering() as server:
        yield server


class Asking:
    def __init__(self, coordinator: Coordinator, **settings: str) -> None:
        self.asked: list[Sequence[Mapping[str, float]]] = []
        http = {"bind": f"127.0.0.1:{coordinator.server_port}", "control_token": "t" * 32} | settings
        autoscaling = {"max_nodes": 5, "after_s": 0, "keep_s": 0}
        config = FleetConfig.model_validate({"coordinator": {"http": http}, "cluster": {"autoscaling": autoscaling}})
        self._requests = NodeRequests(config, self.asked.append)
        self._now_s = 0.0

    def renew(self) -> None:
        self._now_s += EVERY_S
        self._requests.renew("127.0.0.1", ["a"], self._now_s)


def test_nodes_are_asked_for_and_withdrawn_as_the_coordinator_needs_them(coordinator: Coordinator) -> None:
    asking = Asking(coordinator)
    for cameras, mpx in ((0, 0.0), (60, 120.0), (60, 120.0), (0, 0.0)):
        coordinator.tells(cameras, mpx)
        asking.renew()
    assert asking.asked == [[], [{ENGINE_RESOURCE: 1.0}] * 3, []]
    assert coordinator.asked[0] == ("/api/v1/status", f"Bearer {'t' * 32}")


def test_an_answer_that_is_no_status_changes_nothing(coordinator: Coordinator) -> None:
    asking = Asking(coordinator)
    coordinator.tells(60, 120.0)
    asking.renew()
    for body in (b"", b"[]", b"{}", b'{"engines": 1}', b"\xff"):
        coordinator.body = body
        asking.renew()
    assert len(asking.asked) == 1


def test_the_token_is_not_sent_to_the_proxy_of_the_environment(
    coordinator: Coordinator, other: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{other.server_port}")
    monkeypatch.setattr("urllib.request._opener", None)  # it remembers the environment of its first use
    coordinator.tells(0, 0.0)
    asking = Asking(coordinator)
    asking.renew()
    assert (asking.asked, other.asked) == ([[]], [])


def test_the_token_is_not_sent_where_a_redirect_leads(coordinator: Coordinator, other: Coordinator) -> None:
    other.tells(0, 0.0)
    coordinator.redirects_to = f"http://127.0.0.1:{other.server_port}/"
    asking = Asking(coordinator)
    asking.renew()
    assert len(coordinator.asked) == 1
    assert (asking.asked, other.asked) == ([], [])


def test_the_token_with_the_least_rights_is_used(coordinator: Coordinator) -> None:
    coordinator.tells(0, 0.0)
    Asking(coordinator, read_token="r" * 32).renew()
    assert coordinator.asked == [("/api/v1/status", f"Bearer {'r' * 32}")]
