"""CURVE on real sockets: clients with listed keys get everything, others nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

import support.engines.wire_messages as wire
from commands.keys import make_keys
from stream.messaging.curve import authenticator
from stream.messaging.curve.authenticator import make_authenticator
from stream.messaging.curve.keys import ClientKeys, KeyPair, read_pair
from stream.messaging.endpoints import EndpointError
from stream.messaging.publisher import Publisher
from stream.results import Frame
from stream.settings.engine import PublishConfig
from stream.subscriber import Subscription, subscribe
from support.engines.controlled_engine import PATTERN, configured, running
from support.engines.narrow_buffers import narrow_buffers
from support.repository import REPOSITORY
from support.slow_work import pace
from support.waiting import PATIENCE_S, until
from telemetry.observer import Observer

PORTS = {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"}


@dataclass(frozen=True)
class Keys:
    """A folder of keys, as `keys new` makes it."""

    folder: Path

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "curve_secret_key_file": str(self.folder / "server.key_secret"),
            "curve_allowed_keys": str(self.folder / "allowed"),
        }

    @property
    def server(self) -> KeyPair:
        return read_pair(self.folder / "server.key_secret")

    def secret_file(self, client: str) -> Path:
        return self.folder / "clients" / f"{client}.key_secret"

    def of(self, client: str) -> dict[str, Any]:
        """Return the arguments of `subscribe` for this client."""
        return {"server_key": self.server.public, "key_file": self.secret_file(client)}

    def unlist(self, client: str) -> None:
        (self.folder / "allowed" / f"{client}.key").unlink()

    def list_again(self, client: str) -> None:
        certificate = read_pair(self.secret_file(client)).public_certificate()
        (self.folder / "allowed" / f"{client}.key").write_text(certificate)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    make_keys(tmp_path / "keys", ["wall", "stranger"])
    made = Keys(tmp_path / "keys")
    made.unlist("stranger")
    return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make refused clients try again soon, and changes of the list take effect at once."""
    monkeypatch.setattr(authenticator, "HANDSHAKE_WITHIN_MS", 500)
    monkeypatch.setattr(authenticator, "CHECK_INTERVAL_S", 0.0)


@asynccontextmanager
async def publishing(keys: Keys | None, run: str = wire.RUN, **settings: Any) -> AsyncIterator[Publisher]:
    config = PublishConfig(**{**PORTS, **(keys.settings if keys else {}), **settings})
    publisher = Publisher(config, run, Observer())
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


@asynccontextmanager
async def connected(endpoint: str, kind: int, keys: ClientKeys | None) -> AsyncIterator[zmq.asyncio.Socket]:
    context = zmq.asyncio.Context()
    socket = context.socket(kind)
    if keys is not None:
        keys.protect(socket)
    if kind == zmq.SUB:
        socket.subscribe(b"")
    socket.connect(endpoint)
    try:
        yield socket
    finally:
        context.destroy(linger=0)


async def take(subscription: Subscription[Frame], count: int) -> list[Frame]:
    return [await anext(subscription) for _ in range(count)]


@asynccontextmanager
async def continuous_results(publisher: Publisher) -> AsyncIterator[list[Frame]]:
    """Publish a result every few milliseconds. Yield the list of them, which grows."""
    sent: list[Frame] = []

    async def publish() -> None:
        while True:
            sent.append(publisher.publish(wire.frame(number=len(sent))))
            await pace(0.005)

    publishing = asyncio.create_task(publish())
    try:
        yield sent
    finally:
        publishing.cancel()


async def first(publisher: Publisher, subscription: Subscription[Frame]) -> Frame:
    """Return the first message that a subscription gets while results are published."""
    async with continuous_results(publisher):
        return (await take(subscription, 1))[0]


async def has_message(socket: zmq.asyncio.Socket) -> bool:
    return bool(await socket.poll(0))


def request(**fields: Any) -> bytes:
    asked = {"id": "q", "topic": "results/v1/lobby/", "run": wire.RUN, "epoch": 1, "from_seq": 0, "limit": 1000}
    return json.dumps({**asked, **fields}).encode()


# -- access ---------------------------------------------------------------------------------------------------------
async def test_a_listed_client_gets_every_result_and_what_it_missed(keys: Keys) -> None:
    async with (
        narrow_buffers(),
        publishing(keys, high_water_mark=4, history_messages=1000) as publisher,
        subscribe(
            publisher.endpoint,
            replay=publisher.replay_endpoint,
            high_water_mark=1,
            receive_buffer=4096,
            replay_timeout_s=PATIENCE_S,
            **keys.of("wall"),
        ) as slow,
    ):
        await until(lambda: publisher.subscriptions == 1)
        for number in range(400):
            publisher.publish(wire.frame(number=number))
        async with continuous_results(publisher) as sent:
            got = await take(slow, 500)
        assert [frame.seq for frame in got] == list(range(500))
        assert got[400:] == sent[:100]
        assert slow.counts.replayed > 0
        assert slow.counts.lost == 0
        assert publisher.refused == 0


async def test_an_unlisted_client_and_one_without_the_right_keys_get_nothing_while_a_listed_one_gets_all(
    keys: Keys,
) -> None:
    stranger = ClientKeys(keys.server.public, read_pair(keys.secret_file("stranger")))
    misled = ClientKeys(KeyPair.new().public, read_pair(keys.secret_file("wall")))
    # All that is public does not replace the listed client's secret.
    pretender = ClientKeys(
        keys.server.public, KeyPair(read_pair(keys.secret_file("wall")).public, KeyPair.new().secret)
    )
    async with (
        publishing(keys) as publisher,
        subscribe(publisher.endpoint, replay=publisher.replay_endpoint, **keys.of("wall")) as wall,
        AsyncExitStack() as stack,
    ):
        await until(lambda: publisher.subscriptions == 1)
        subscribers, dealers = [], []
        for theirs in (stranger, misled, pretender, None):
            subscribers.append(await stack.enter_async_context(connected(publisher.endpoint, zmq.SUB, theirs)))
            dealers.append(await stack.enter_async_context(connected(publisher.replay_endpoint, zmq.DEALER, theirs)))
        async with continuous_results(publisher) as sent:
            for dealer in dealers:
                await dealer.send(request())
            await until(lambda: publisher.refused >= 2)  # the stranger, at both sockets
            begun = len(sent)
            await until(lambda: len(sent) > begun + 100)
            assert [await has_message(socket) for socket in subscribers + dealers] == [False] * 8
            assert publisher.subscriptions == 1
            got = await take(wall, len(sent))
            assert [frame.seq for frame in got] == list(range(len(got)))
            assert wall.counts.missed == 0
        # The same request of the listed client is answered.
        listed = ClientKeys(keys.server.public, read_pair(keys.secret_file("wall")))
        async with connected(publisher.replay_endpoint, zmq.DEALER, listed) as dealer:
            await dealer.send(request(limit=1))
            assert (await dealer.recv_multipart())[1] == b"msg"


async def test_bytes_on_the_network_reveal_nothing(keys: Keys) -> None:
    for protected in (False, True):
        crossed = bytearray()
        async with (
            publishing(keys if protected else None) as publisher,
            relayed(publisher.endpoint, crossed) as endpoint,
            subscribe(endpoint, **(keys.of("wall") if protected else {})) as results,
        ):
            assert (await first(publisher, results)).camera == "lobby"
        assert [word in crossed for word in (b"results/v1/", b"lobby", b"wave")] == [not protected] * 3


@asynccontextmanager
async def relayed(endpoint: str, crossed: bytearray) -> AsyncIterator[str]:
    """Yield an endpoint that leads to the other. All bytes that pass are appended to `crossed`."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            crossed.extend(data)
            writer.write(data)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        onward_reader, onward_writer = await asyncio.open_connection(host, int(port))
        ways = [asyncio.ensure_future(copy(reader, onward_writer)), asyncio.ensure_future(copy(onward_reader, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        onward_writer.close()
        writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()


# -- the list changes -----------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("quick")
async def test_a_refused_client_gets_in_once_its_key_is_listed_and_a_removed_one_stays_until_it_leaves(
    keys: Keys,
) -> None:
    async with publishing(keys) as publisher, subscribe(publisher.endpoint, **keys.of("stranger")) as stranger:
        await until(lambda: publisher.refused > 0)
        keys.list_again("stranger")
        await first(publisher, stranger)
        keys.unlist("stranger")
        refused = publisher.refused
        async with subscribe(publisher.endpoint, **keys.of("stranger")) as another:
            await until(lambda: publisher.refused > refused)
            await first(publisher, stranger)
            assert publisher.subscriptions == 1
            assert another.counts.received == 0


# -- faults ---------------------------------------------------------------------------------------------------------
async def test_without_a_zap_handler_no_client_is_accepted(keys: Keys) -> None:
    with zmq.Context[zmq.Socket[bytes]]() as context, context.socket(zmq.XPUB) as xpub:
        server = make_authenticator(context, PublishConfig(**PORTS, **keys.settings))
        assert server is not None
        server.protect(xpub)
        port = xpub.bind_to_random_port("tcp://127.0.0.1")
        server._socket.close()
        monitor = xpub.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_DISCONNECTED)
        async with subscribe(f"tcp://127.0.0.1:{port}", **keys.of("wall")):
            await until(lambda: monitor.poll(0))
            assert not xpub.poll(0)
        xpub.disable_monitor()


# -- where it listens -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("field", ["endpoint", "replay"])
async def test_off_loopback_the_sockets_need_keys_or_explicit_permission(
    keys: Keys, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_to_all = {field: "tcp://0.0.0.0:0"}
    with pytest.raises(EndpointError, match=rf"publish\.{field}: .*partstream keys new.*curve_secret_key_file"):
        async with publishing(None, **open_to_all):
            pytest.fail("it started")
    async with publishing(keys, **open_to_all):
        assert "unencrypted" not in caplog.text
    async with publishing(None, allow_plaintext=True, **open_to_all):
        assert f"publish.{field}: anyone who can reach tcp://0.0.0.0:" in caplog.text


@pytest.mark.parametrize("endpoint", ["tcp://[::1]:0", "ipc://{folder}/results"])
async def test_addresses_of_this_machine_only_need_no_keys(tmp_path: Path, endpoint: str) -> None:
    async with (
        publishing(None, endpoint=endpoint.format(folder=tmp_path)) as publisher,
        subscribe(publisher.endpoint) as results,
    ):
        await first(publisher, results)


# -- lifetime -------------------------------------------------------------------------------------------------------
async def test_the_engine_counts_refusals_and_shows_no_secret(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    config = configured({"id": "a", "source": PATTERN}, publish={**PORTS, **keys.settings})
    async with running(config) as (engine, client), running(config) as (another, _):
        async with (
            subscribe(engine.publisher.endpoint, **keys.of("stranger")),
            subscribe(engine.publisher.endpoint, camera="a", **keys.of("wall")) as wall,
            subscribe(another.publisher.endpoint, camera="a", **keys.of("wall")) as second,
        ):
            assert {frame.run for frame in await take(wall, 20)} == {engine.run}
            assert {frame.run for frame in await take(second, 20)} == {another.run}
            await until(lambda: engine.publisher.refused > 0)
            page = engine.metrics.render().decode()
            assert float(re.search(r"^partstream_curve_refused_total (\S+)$", page, re.MULTILINE)[1]) > 0  # pyright: ignore[reportOptionalSubscript]
            shown = await client.get("/api/v1/config")
        assert shown["publish"]["curve_secret_key_file"] == str(keys.folder / "server.key_secret")
        everything = json.dumps(shown) + page + caplog.text + repr(engine.publisher.__dict__)
        for secret_file in keys.folder.rglob("*.key_secret"):
            assert read_pair(secret_file).secret not in everything
        assert read_pair(keys.secret_file("stranger")).public in caplog.text


# -- commands and docs ----------------------------------------------------------------------------------------------
async def first_line(publisher: Publisher, *command: str, **environment: str) -> bytes:
    """Return the first line that a program prints while results are published."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=REPOSITORY, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with continuous_results(publisher):
            return await process.stdout.readline()
    finally:
        process.kill()
        await process.wait()


async def test_the_subscribe_command_takes_keys_from_options_and_from_the_environment(keys: Keys) -> None:
    server, own = str(keys.folder / "server.key"), str(keys.secret_file("wall"))
    async with publishing(keys) as publisher:
        command = [sys.executable, "run_stream.py", "subscribe", publisher.endpoint, "--raw"]
        lines = await asyncio.gather(
            first_line(publisher, *command, "--server-key", keys.server.public, "--key-file", own),
            first_line(publisher, *command, PARTSTREAM_SERVER_KEY=server, PARTSTREAM_KEY_FILE=own),
        )
    assert [json.loads(line)["camera"] for line in lines] == ["lobby", "lobby"]


async def test_the_pages_program_for_pyzmq_alone_reads_results(keys: Keys) -> None:
    page = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    program = next(
        block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "import json, zmq" in block
    )
    async with publishing(keys) as publisher:
        for named, real in (
            ("tcp://engine.example:5555", publisher.endpoint),
            ("server.key", str(keys.folder / "server.key")),
            ("wall.key_secret", str(keys.secret_file("wall"))),
        ):
            assert f'"{named}"' in program
            program = program.replace(f'"{named}"', repr(real))
        line = await first_line(publisher, sys.executable, "-u", "-c", program)
    assert line.startswith(b"results/v1/lobby/ {")
