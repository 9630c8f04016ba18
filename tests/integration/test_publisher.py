"""The publisher over real TCP, read with plain ZeroMQ sockets."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
import zmq
import zmq.asyncio

import support.engines.wire_messages as wire
from stream import zeromq_context
from stream.messaging import publisher as publishers
from stream.messaging import replay, topic_socket
from stream.messaging.endpoints import EndpointError
from stream.messaging.publisher import Publisher
from stream.messaging.topic_socket import SUBSCRIPTION_BYTES
from stream.results import Frame, Message, Stats, decode
from stream.settings.config_error import ConfigError
from stream.settings.engine import PublishConfig
from support.waiting import PATIENCE_S, until
from telemetry.observer import Observer


class ReplayRequests(Observer):
    """Records the requests for missed messages."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int]] = []

    def replay_requested(self, status: str, messages: int) -> None:
        self.requests.append((status, messages))


@asynccontextmanager
async def publishing(
    observer: Observer | None = None, generation: Callable[[str], int | None] | None = None, **settings: Any
) -> AsyncIterator[Publisher]:
    config = PublishConfig(**{"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", **settings})
    publisher = Publisher(config, wire.RUN, observer or Observer(), generation)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


@asynccontextmanager
async def connected(
    endpoint: str, kind: int, *subscriptions: bytes, tiny_buffers: bool = False
) -> AsyncIterator[zmq.asyncio.Socket]:
    context = zmq.asyncio.Context()
    socket = context.socket(kind)
    if tiny_buffers:
        socket.setsockopt(zmq.RCVHWM, 1)
        socket.setsockopt(zmq.RCVBUF, 4096)
    for prefix in subscriptions:
        socket.subscribe(prefix)
    socket.connect(endpoint)
    try:
        yield socket
    finally:
        context.destroy(linger=0)


async def receive(socket: zmq.asyncio.Socket) -> tuple[bytes, Message]:
    name, body = await socket.recv_multipart()
    return name, decode(body)


async def ask(dealer: zmq.asyncio.Socket, **request: Any) -> tuple[list[tuple[bytes, bytes]], dict[str, Any]]:
    """Send a replay request, and return the (topic, body) pairs of the answer, and its end."""
    asked = {"id": "q", "topic": "results/v1/lobby/", "run": wire.RUN, "epoch": 1, "from_seq": 0, "limit": 1000}
    await dealer.send(json.dumps({**asked, **request}).encode())
    return await answer(dealer, str(request.get("id", "q")).encode())


@asynccontextmanager
async def disconnection(socket: zmq.asyncio.Socket) -> AsyncIterator[None]:
    """Wait at the end until the publisher has closed the connection, because of what was sent meanwhile."""
    monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    yield
    await monitor.recv_multipart()
    socket.disable_monitor()


async def answer(dealer: zmq.asyncio.Socket, name: bytes) -> tuple[list[tuple[bytes, bytes]], dict[str, Any]]:
    messages: list[tuple[bytes, bytes]] = []
    while True:
        answered, kind, *rest = await dealer.recv_multipart()
        assert answered == name
        if kind == b"end":
            return messages, json.loads(rest[0])
        assert kind == b"msg"
        messages.append((rest[0], rest[1]))


async def test_each_kind_of_message_is_numbered_stamped_and_sent_under_its_topic() -> None:
    async with publishing() as publisher, connected(publisher.endpoint, zmq.SUB, b"") as subscriber:
        await until(lambda: publisher.subscriptions == 1)
        before_us = time.time_ns() // 1000
        sent: list[Message] = []
        for _ in range(2):
            sent += [
                publisher.publish(wire.frame()),
                publisher.publish(wire.event()),
                publisher.publish(wire.status()),
                publisher.publish(wire.stats()),
            ]
        got = [await receive(subscriber) for _ in sent]
    assert [message for _, message in got] == sent
    assert [name for name, _ in got][:4] == [
        b"results/v1/lobby/",
        b"events/v1/lobby/",
        b"status/v1/lobby/",
        b"stats/v1/",
    ]
    assert [message.seq for _, message in got] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert {message.run for _, message in got} == {wire.RUN}
    first = got[0][1]
    assert isinstance(first, Frame)
    assert before_us <= first.published_us <= time.time_ns() // 1000
    kinds = [("lobby", "results", 2), ("lobby", "events", 2), ("lobby", "status", 2), ("", "stats", 2)]
    assert publisher.published() == kinds


async def test_messages_of_a_fleet_carry_the_generation_and_statistics_the_engine() -> None:
    async with (
        publishing(generation={"lobby": 7}.get) as publisher,
        connected(publisher.endpoint, zmq.SUB, b"") as subscriber,
    ):
        await until(lambda: publisher.subscriptions == 1)
        for message in (wire.frame(), wire.event(), wire.status()):
            publisher.publish(message)
        publisher.publish(msgspec.structs.replace(wire.stats(), engine="gpu-3"))
        got = [await receive(subscriber) for _ in range(4)]
    assert [name for name, _ in got][3] == b"stats/v1/gpu-3/"
    assert [getattr(message, "generation", None) for _, message in got] == [7, 7, 7, None]
    assert isinstance(got[3][1], Stats)
    assert got[3][1].engine == "gpu-3"


async def test_a_late_joiner_gets_the_last_value_of_each_topic_it_subscribed_to_and_no_other() -> None:
    async with publishing() as publisher:
        for number in range(5):
            publisher.publish(wire.frame("lobby", number=number))
            publisher.publish(wire.frame("door", number=number))
            publisher.publish(wire.status("lobby"))
        async with connected(publisher.endpoint, zmq.SUB, b"results/v1/lobby/", b"status/") as subscriber:
            got = dict([await receive(subscriber), await receive(subscriber)])
            assert sorted(got) == [b"results/v1/lobby/", b"status/v1/lobby/"]
            assert got[b"results/v1/lobby/"].seq == 4
            # And what comes next follows on without a gap.
            publisher.publish(wire.frame("lobby", number=5))
            assert (await receive(subscriber))[1].seq == 5


async def test_a_second_late_joiner_gets_the_last_value_of_a_quiet_topic_and_the_first_gets_it_twice() -> None:
    async with publishing() as publisher:
        publisher.publish(wire.status())
        async with connected(publisher.endpoint, zmq.SUB, b"status/") as first:
            assert (await receive(first))[1].seq == 0
            async with connected(publisher.endpoint, zmq.SUB, b"status/") as second:
                assert (await receive(second))[1].seq == 0
                assert (await receive(first))[1].seq == 0  # the documented duplicate


async def test_subscriptions_are_counted_up_and_down_also_when_a_subscriber_vanishes() -> None:
    async with publishing() as publisher:
        async with (
            connected(publisher.endpoint, zmq.SUB, b"results/", b"events/"),
            connected(publisher.endpoint, zmq.SUB, b"results/") as leaving,
        ):
            await until(lambda: publisher.subscriptions == 3)
            leaving.unsubscribe(b"results/")
            await until(lambda: publisher.subscriptions == 2)
        await until(lambda: publisher.subscriptions == 0)


async def test_subscriptions_are_noticed_while_messages_are_published_without_a_pause() -> None:
    # ZeroMQ's descriptor is edge-triggered: a send may swallow the edge that tells of a subscription.
    async with publishing() as publisher:
        for number in range(20):
            quiet = f"quiet{number}"
            publisher.publish(wire.status(quiet))
            async with connected(publisher.endpoint, zmq.SUB, f"status/v1/{quiet}/".encode()) as subscriber:
                arrived = asyncio.ensure_future(receive(subscriber))
                while not arrived.done():
                    for _ in range(10):
                        publisher.publish(wire.frame("busy"))
                    await asyncio.sleep(0)
                assert (await arrived)[1].seq == 0, f"late joiner {number}"


async def test_a_new_subscriber_does_not_wait_for_another_ones_last_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_socket, "RESEND_INTERVAL_S", PATIENCE_S)
    async with publishing() as publisher:
        publisher.publish(wire.status("a"))
        publisher.publish(wire.status("b"))
        async with connected(publisher.endpoint, zmq.SUB, b"status/v1/a/") as first:
            await receive(first)
            async with connected(publisher.endpoint, zmq.SUB, b"status/v1/a/"):
                await until(lambda: publisher.subscriptions == 2)  # the second is owed it, after the interval
                async with connected(publisher.endpoint, zmq.SUB, b"status/v1/b/") as other:
                    arrived = asyncio.ensure_future(receive(other))
                    while not arrived.done():
                        publisher.publish(wire.frame("busy"))  # swallows edges
                        await asyncio.sleep(0)
                    assert (await arrived)[0] == b"status/v1/b/"


async def test_too_large_subscriptions_and_requests_are_not_read_and_end_the_connection() -> None:
    async with publishing() as publisher:
        publisher.publish(wire.frame())
        async with connected(publisher.endpoint, zmq.SUB, b"x" * 2 * SUBSCRIPTION_BYTES) as subscriber:
            async with disconnection(subscriber):
                pass  # it subscribes again with each connection
            assert publisher.subscriptions == 0
        async with connected(publisher.replay_endpoint, zmq.DEALER) as dealer:
            async with disconnection(dealer):
                await dealer.send(b'{"id":"large"' + b" " * replay.REQUEST_BYTES + b"}")
            assert await dealer.poll(0) == 0
        async with connected(publisher.replay_endpoint, zmq.DEALER) as dealer:
            assert len((await ask(dealer))[0]) == 1


async def test_bytes_that_are_not_zeromq_are_harmless_on_both_ports() -> None:
    async with publishing() as publisher:
        for endpoint in (publisher.endpoint, publisher.replay_endpoint):
            port = int(endpoint.rsplit(":", 1)[1])
            for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, struct.pack(">BQ", 0xFF, 1 << 62)):
                with sockets.create_connection(("127.0.0.1", port)) as raw:
                    raw.sendall(garbage)
        publisher.publish(wire.frame())
        async with connected(publisher.endpoint, zmq.SUB, b"") as subscriber:
            assert (await receive(subscriber))[1].seq == 0
        async with connected(publisher.replay_endpoint, zmq.DEALER) as dealer:
            assert len((await ask(dealer))[0]) == 1


@pytest.mark.parametrize("field", ["endpoint", "replay"])
async def test_an_endpoint_in_use_is_an_error_that_names_its_field(field: str) -> None:
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(EndpointError, match=rf"publish\.{field}: {endpoint} is in use .* choose another port"):
            async with publishing(**{field: endpoint}):
                pass


@pytest.mark.parametrize("field", ["endpoint", "replay"])
async def test_an_ipc_endpoint_removes_no_file_and_takes_no_socket_that_is_in_use(tmp_path: Path, field: str) -> None:
    path = tmp_path / "place"
    endpoint = f"ipc://{path}"
    path.write_text("content")
    with pytest.raises(EndpointError, match=rf"publish\.{field}: {endpoint} is a file, which would be lost: choose"):
        async with publishing(**{field: endpoint}):
            pass
    assert path.read_text() == "content"
    path.unlink()
    async with publishing(**{field: endpoint}):
        inode = path.stat().st_ino
        with pytest.raises(EndpointError, match=rf"publish\.{field}: {endpoint} is in use by another program"):
            async with publishing(**{field: endpoint}):
                pass
        assert path.stat().st_ino == inode
    async with publishing(**{field: endpoint}):
        pass  # free again as soon as it has stopped


async def test_an_ipc_socket_that_a_killed_engine_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "place"
    with sockets.socket(sockets.AF_UNIX) as left:
        left.bind(str(path))
    async with publishing(endpoint=f"ipc://{path}"), publishing(endpoint="ipc://*"):
        with sockets.socket(sockets.AF_UNIX) as client:
            client.connect(str(path))


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://203.0.113.7:5555"])
async def test_an_endpoint_that_cannot_be_bound_is_a_configuration_error_with_an_example(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"publish\.endpoint: .*tcp://127\.0\.0\.1:\d+"):
        async with publishing(endpoint=endpoint):
            pass


async def test_port_0_becomes_a_real_port_and_a_start_that_failed_leaves_nothing_bound() -> None:
    async with publishing() as publisher:
        for endpoint in (publisher.endpoint, publisher.replay_endpoint):
            assert int(endpoint.rsplit(":", 1)[1]) > 0
        with pytest.raises(EndpointError):
            async with publishing(endpoint="tcp://127.0.0.1:0", replay=publisher.replay_endpoint):
                pass
    async with publishing(endpoint=publisher.endpoint, replay=publisher.replay_endpoint):
        pass  # free again as soon as it has stopped


async def test_stopping_delivers_queued_messages_and_ends_although_a_subscriber_hangs() -> None:
    async with (
        publishing() as publisher,
        connected(publisher.endpoint, zmq.SUB, b"") as reading,
        connected(publisher.endpoint, zmq.SUB, b"", tiny_buffers=True),
    ):
        await until(lambda: publisher.subscriptions == 2)
        for _ in range(200):
            publisher.publish(wire.frame(people=50))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(publishers, "LINGER_MS", 1000)
            patch.setattr(zeromq_context, "TERMINATE_WITHIN_S", PATIENCE_S)
            await publisher.stop()
        assert [(await receive(reading))[1].seq for _ in range(200)] == list(range(200))


async def test_a_listener_that_fails_stops_neither_the_others_nor_the_publisher(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[tuple[str, int]] = []

    def fail(topic: str, message: Message) -> None:
        raise OSError("disk full")

    async with publishing() as publisher:
        publisher.on_message(fail)
        end = publisher.on_message(lambda topic, message: heard.append((topic, message.seq)))
        publisher.publish(wire.frame())
        publisher.publish(wire.frame())
        end()
        publisher.publish(wire.frame())
    assert heard == [("results/v1/lobby/", 0), ("results/v1/lobby/", 1)]
    assert len([record for record in caplog.records if "listener" in record.message]) == 1


async def test_with_more_topics_than_the_high_water_mark_a_late_joiner_still_gets_every_last_value() -> None:
    async with publishing(high_water_mark=8) as publisher:
        for camera in range(150):
            publisher.publish(wire.frame(f"cam{camera}", people=20))
        async with connected(publisher.endpoint, zmq.SUB, b"") as subscriber:
            names = {(await receive(subscriber))[0] for _ in range(150)}
        assert len(names) == 150


# -- replay ---------------------------------------------------------------------------------------------------------
async def test_replay_returns_the_published_bodies_from_a_number_on() -> None:
    seen = ReplayRequests()
    async with (
        publishing(seen, high_water_mark=1000) as publisher,
        connected(publisher.endpoint, zmq.SUB, b"") as subscriber,
    ):
        await until(lambda: publisher.subscriptions == 1)
        for number in range(300):
            publisher.publish(wire.frame(number=number))
            publisher.publish(wire.event(number=number))
        bodies = [body for name, body in [await subscriber.recv_multipart() for _ in range(600)] if b"results" in name]
        async with connected(publisher.replay_endpoint, zmq.DEALER) as dealer:
            messages, end = await ask(dealer, from_seq=100, limit=150)
            assert messages == [(b"results/v1/lobby/", body) for body in bodies[100:250]]
            assert end == {"next_seq": 250, "oldest_seq": 0, "status": "ok"}
            messages, end = await ask(dealer, from_seq=end["next_seq"])
            assert messages == [(b"results/v1/lobby/", body) for body in bodies[250:]]
            assert end == {"next_seq": 300, "oldest_seq": 0, "status": "ok"}
            assert await ask(dealer, from_seq=300) == ([], {"next_seq": 300, "oldest_seq": 0, "status": "ok"})
    assert seen.requests == [("ok", 150), ("ok", 50), ("ok", 0)]


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        ([b"nonsense"], b""),
        ([b'{"id": "\xff"}'], b""),
        ([b'{"id": "a"}'], b"a"),
        ([b'{"id": 7, "topic": 3, "run": "r", "epoch": 1, "from_seq": 0, "limit": 1}'], b"7"),
        ([b'{"id": "f"}', b"second frame"], b""),
        ([b'{"id": ' + b"[" * 3000 + b"]" * 900 + b"}"], b""),
    ],
)
async def test_a_bad_request_is_answered_and_the_next_one_served(frames: list[bytes], name: bytes) -> None:
    async with publishing() as publisher, connected(publisher.replay_endpoint, zmq.DEALER) as dealer:
        publisher.publish(wire.frame())
        await dealer.send_multipart(frames)
        assert await answer(dealer, name) == ([], {"next_seq": 0, "oldest_seq": 0, "status": "bad_request"})
        assert len((await ask(dealer))[0]) == 1


async def test_a_replay_client_that_reads_nothing_delays_no_other_and_is_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replay, "GIVE_UP_S", 0.5)
    async with publishing() as publisher:
        for number in range(2000):
            publisher.publish(wire.frame(number=number, people=10))
        request = {"topic": "results/v1/lobby/", "run": wire.RUN, "epoch": 1, "from_seq": 0, "limit": 2000}
        async with (
            connected(publisher.replay_endpoint, zmq.DEALER, tiny_buffers=True) as stuck,
            connected(publisher.replay_endpoint, zmq.DEALER) as dealer,
        ):
            for number in range(10):
                await stuck.send(json.dumps({"id": str(number), **request}).encode())
            for _ in range(3):
                assert len((await ask(dealer, limit=500))[0]) == 500
            await until(lambda: "took nothing" in caplog.text)
            assert len((await ask(dealer, limit=500))[0]) == 500


async def test_too_many_open_requests_of_one_client_are_refused() -> None:
    async with publishing() as publisher:
        for number in range(100):
            publisher.publish(wire.frame(number=number))
        async with connected(publisher.replay_endpoint, zmq.DEALER) as dealer:
            request = {"topic": "results/v1/lobby/", "run": wire.RUN, "epoch": 1, "from_seq": 0, "limit": 100}
            asked = replay.REQUESTS_PER_CLIENT + 40
            for number in range(asked):
                await dealer.send(json.dumps({"id": str(number), **request}).encode())
            ends: list[str] = []
            counted = 0
            while len(ends) < asked:
                _, kind, *rest = await dealer.recv_multipart()
                if kind == b"end":
                    ends.append(json.loads(rest[0])["status"])
                else:
                    counted += 1
            assert set(ends) <= {"ok", "bad_request"}
            assert ends.count("bad_request") > 0
            assert counted == 100 * ends.count("ok")


async def test_a_large_replay_does_not_block_the_event_loop() -> None:
    async with publishing(history_messages=5000) as publisher:
        for number in range(5000):
            publisher.publish(wire.frame(number=number, people=5))
        async with connected(publisher.replay_endpoint, zmq.DEALER) as dealer:
            asked = asyncio.ensure_future(ask(dealer, limit=5000))
            turns = 0
            while not asked.done():
                await asyncio.sleep(0)
                publisher.publish(wire.stats())
                turns += 1
            assert len((await asked)[0]) == 5000
        # Were the answer sent from the loop, the loop would have no turn meanwhile.
        assert turns > 10


@pytest.mark.parametrize(
    "scenario",
    [
        test_subscriptions_are_noticed_while_messages_are_published_without_a_pause,
        test_replay_returns_the_published_bodies_from_a_number_on,
    ],
    ids=lambda scenario: scenario.__name__.removeprefix("test_"),
)
def test_on_uvloop_too(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    uvloop.run(scenario())
