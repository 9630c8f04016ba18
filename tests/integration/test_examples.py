"""The programs in examples/, each run unchanged, and those in README.md, run with addresses of their own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

import support.engines.wire_messages as wire
from stream.messaging.publisher import Publisher
from support.engines.archiving import publishing
from support.repository import REPOSITORY
from support.waiting import until

EXAMPLES = REPOSITORY / "examples"
SUBSCRIBER, ENGINE = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), flags=re.DOTALL)
CONFIGURATION = """\
cameras: [{id: door, source: "pattern:128x96@25"}]
model: {profile: free}
publish: {endpoint: "tcp://127.0.0.1:0", replay: "tcp://127.0.0.1:0"}
http: {bind: null}
"""


class Running:
    """A running example, and what it has printed so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.printed = ""

    async def read_until(self, words: str) -> None:
        """Read until these words are printed."""
        assert self._process.stdout is not None
        while words not in self.printed:
            line = await self._process.stdout.readline()
            assert line, f"{words!r} was not printed:\n{self.printed}"
            self.printed += line.decode()


@asynccontextmanager
async def running(name: str, *arguments: str, **environment: str) -> AsyncIterator[Running]:
    """Run an example or a program until the end of the block; then check that Ctrl-C ends it with code 0."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / name),
        *arguments,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    example = Running(process)
    try:
        yield example
        process.send_signal(signal.SIGINT)
        rest, _ = await process.communicate()
        assert process.returncode == 0, example.printed + rest.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def subscribed(publisher: Publisher, subscriptions: int) -> None:
    await until(lambda: publisher.subscriptions == subscriptions)


async def test_subscribe_prints_actions_and_their_reasons() -> None:
    async with publishing() as publisher, running("subscribe.py", publisher.endpoint, "lobby") as example:
        await subscribed(publisher, 1)
        publisher.publish(wire.frame("door"))
        publisher.publish(wire.frame("lobby"))
        await example.read_until("lobby: person 1: wave 0.88, most relevant: right_hand 0.93\n")
    assert "door" not in example.printed


async def test_count_actions_adds_up_seconds() -> None:
    second = 1_000_000
    began = msgspec.structs.replace(wire.event(), kind="started", label="stand", previous=None, since_us=0)
    changed = msgspec.structs.replace(wire.event(), previous="stand", label="wave", since_us=3 * second)
    ended = msgspec.structs.replace(
        wire.event(), kind="ended", label="wave", previous=None, since_us=3 * second, capture_us=5 * second
    )
    async with (
        publishing() as publisher,
        running("count_actions.py", publisher.endpoint, publisher.replay_endpoint, "0.1") as example,
    ):
        await subscribed(publisher, 1)
        for event in (began, changed, ended):
            publisher.publish(event)
        await example.read_until("lobby: wave 2.0 s\n")
    assert "lobby: stand 3.0 s\n" in example.printed


async def test_embed_runs_an_engine_in_a_program() -> None:
    async with running("embed.py", "pattern:128x96@25", PARTSTREAM_MODEL__PROFILE="free") as example:
        await example.read_until("door is live")
        await example.read_until("0 people")


async def test_the_readme_has_a_subscriber_that_prints_readable_lines(tmp_path: Path) -> None:
    program = tmp_path / "subscriber.py"
    async with publishing() as publisher:
        ours = SUBSCRIBER.replace("tcp://127.0.0.1:5555", publisher.endpoint)
        program.write_text(ours.replace("tcp://127.0.0.1:5556", publisher.replay_endpoint))
        async with running(str(program)) as example:
            await subscribed(publisher, 1)
            publisher.publish(wire.frame("door"))
            await example.read_until("door: person 1: wave 0.88, most relevant: right_hand 0.93\n")


async def test_the_readme_has_a_program_with_an_engine(tmp_path: Path) -> None:
    configuration, program = tmp_path / "partstream.yaml", tmp_path / "engine.py"
    configuration.write_text(CONFIGURATION)
    program.write_text(ENGINE.replace("partstream.yaml", str(configuration)))
    async with running(str(program)) as example:
        await example.read_until("Status(")
        await example.read_until("Frame(")


def test_every_example_is_tested_here() -> None:
    here = (REPOSITORY / "tests/integration/test_examples.py").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.name}"' in here


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_imports_nothing_but_the_public_package(name: str) -> None:
    internal = ("from stream", "from stages", "from telemetry", "from ring_buffers", "import stream", "import stages")
    assert not [line for line in (EXAMPLES / name).read_text().splitlines() if line.startswith(internal)]
