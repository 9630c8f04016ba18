"""Tests of the reasons given for which a subscriber receives nothing."""

from __future__ import annotations

import asyncio

import zmq

from commands.console.silence import not_running, silence
from stream.results import CameraStats, Load, ModelRef, Stats


def stats(*cameras: str) -> Stats:
    return Stats(
        run="a" * 32,
        seq=0,
        at_us=0,
        uptime_s=1.0,
        ready=True,
        ready_reason="",
        model=ModelRef("edge", "sha256:0", True),
        cameras=[CameraStats(name, "live", 1, 0, 0, {}, 0.0, 0.0, 0) for name in cameras],
        state_slots_used=0,
        state_slots=0,
        subscriptions=1,
        load=Load(0, 0, False, None, None),
    )


async def test_an_http_server_is_no_publisher() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        text = await silence(f"tcp://{host}:{port}")
    assert "it is no ZeroMQ publisher" in text
    assert "5555" in text


async def test_a_zeromq_socket_that_sends_nothing_is_recognised() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        text = await silence(f"tcp://127.0.0.1:{port}")
    assert "A ZeroMQ socket answers" in text
    assert "--server-key" in text


def test_a_camera_that_the_engine_does_not_run_is_named_with_those_that_it_runs() -> None:
    assert not_running(["nosuch", "door"], stats("yard", "door")) == (
        "The engine does not run camera nosuch; it runs door, yard. Still waiting …"
    )
    assert "it runs none" in not_running(["nosuch"], stats())
    assert not_running(["door"], stats("yard", "door")) == ""
    assert not_running([], stats("door")) == ""
