"""Waiting for the head's GCS, and ending without it, with real sockets."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import pytest

from fleet.cluster import head_watch
from support.ports import reserved_port
from support.repository import REPOSITORY
from support.waiting import until


def listening(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, port))
    server.listen(64)
    return server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_that_listens_accepts_and_one_that_does_not_does_not(host: str) -> None:
    with listening() as server:
        port = server.getsockname()[1]
        assert head_watch.accepts(f"{host}:{port}")
    assert not head_watch.accepts(f"{host}:{port}")


@pytest.mark.parametrize("host", ["[::1]", "::1"])
def test_an_ipv6_host_is_reached_with_and_without_brackets(host: str) -> None:
    with listening(host="::1") as server:
        assert head_watch.accepts(f"{host}:{server.getsockname()[1]}")


async def test_a_node_waits_until_there_is_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    port = reserved_port()
    answers: list[bool] = []
    accepts = head_watch.accepts

    def counted(address: str) -> bool:
        answers.append(accepts(address))
        return answers[-1]

    monkeypatch.setattr(head_watch, "accepts", counted)
    waiting = asyncio.create_task(head_watch.accepting(f"127.0.0.1:{port}"))
    await until(lambda: len(answers) == 2)
    assert not any(answers) and not waiting.done()
    with listening(port):
        await waiting
    assert answers[-1]


def test_a_process_whose_main_thread_hangs_ends_without_its_server() -> None:
    with listening() as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        program = (
            f"from fleet.cluster import head_watch; import threading; head_watch.exit_without({address!r});"
            "print('watches', flush=True); threading.Event().wait()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "watches\n"
            server.accept()[0].close()
            assert process.poll() is None
            server.close()
            _, said = process.communicate()
    assert process.returncode == head_watch.EXIT_AWAY
    assert f"Ray at {address} is away" in said
