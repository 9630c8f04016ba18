"""`partstream notify` and the engine, both away: alerts of runs that ended unread are sent by the next notify."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import pytest

from stream.messaging.replay_client import ReplayClient
from stream.notify.clock import now
from stream.results import Alert
from support.notify.alert_engine import AlertEngine, notifying, settings
from support.notify.walker_engine import kept_alerts
from support.notify.webhook_receiver import SECRET, Post, Receiver, receiver
from support.ports import reserved_port
from support.repository import REPOSITORY
from support.waiting import until

BEGINNINGS = ("began", "late", "closed")


def hook(folder: Path, server: Receiver) -> dict[str, Any]:
    file = folder / "secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    return {"hook": {"kind": "webhook", "url": server.url, "secret_files": [str(file)]}}


def told(posts: list[Post]) -> list[tuple[str, str]]:
    return [(post.body["data"]["alert"]["alert"], post.body["data"]["state"]) for post in posts]


def begun(posts: list[Post]) -> set[str]:
    return {alert for alert, state in told(posts) if state in BEGINNINGS}


# -- in this process ------------------------------------------------------------------------------------------------
async def test_runs_that_ended_unread_are_told_also_of_cameras_without_an_alert_before_and_after(
    tmp_path: Path,
) -> None:
    engine = AlertEngine("door", "yard", "hall", incidents=tmp_path)
    await engine.start()
    async with receiver() as server:
        config = settings(engine, tmp_path, hook(tmp_path, server), late_after="0.001s")
        async with notifying(config):
            first = engine.begin("door")
            await until(lambda: len(server.taken) == 1)
        engine.clear(first)
        unread = [engine.begin("door"), engine.begin("yard")]
        engine.clear(unread[0])
        await engine.stop()
        engine.crash()
        await engine.start()
        unread.append(engine.begin("hall"))
        for _ in range(2):  # the last run has no alerts at all
            await engine.stop()
            engine.crash()
            await engine.start()
        async with notifying(config) as notifier:
            await until(lambda: bool(engine.statistics() or len(server.taken) >= 5))
            assert sorted(told(server.taken)[1:]) == sorted(
                [(first, "cleared"), (unread[0], "closed"), (unread[1], "late"), (unread[2], "late")]
            )
            on = [row.id for rows in notifier.intake.states.on(now()).values() for row in rows]
            assert not set(on) & set(unread), "sensors do not show what is over"
        async with notifying(config) as notifier:
            await until(lambda: bool(engine.statistics() or notifier.intake.view.listed))
            last = engine.begin("door")
            await until(lambda: told(server.taken)[-1] == (last, "began") or told(server.taken)[-1] == (last, "late"))
        assert len([one for one in told(server.taken) if one[1] in BEGINNINGS]) == 5
    await engine.stop()


async def test_a_notify_that_ends_while_it_reads_runs_that_ended_leaves_the_rest_to_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ReplayClient.fetch
    answers = itertools.repeat(True)

    async def fetch(client: ReplayClient, *values: Any) -> Any:
        if not next(answers, False):
            await asyncio.Event().wait()  # notify is ended meanwhile
        return await original(client, *values)

    monkeypatch.setattr(ReplayClient, "fetch", fetch)
    monkeypatch.setattr("stream.messaging.gap_filling.REPLAY_PAGE", 2)
    engine = AlertEngine("door", incidents=tmp_path)
    await engine.start()
    async with receiver() as server:
        config = settings(engine, tmp_path, hook(tmp_path, server))
        async with notifying(config):
            wanted = [engine.begin()]
            await until(lambda: len(server.taken) == 1)
        for _ in range(2):
            wanted += [engine.begin() for _ in range(5)]
            await engine.stop()
            engine.crash()
            await engine.start()
        for asked in (3, 7):
            posts, answers = len(begun(server.taken)), iter([True] * asked)
            async with notifying(config):
                await until(lambda posts=posts: bool(engine.statistics() or len(begun(server.taken)) > posts))
        answers = itertools.repeat(True)
        async with notifying(config) as notifier:
            await until(lambda: bool(engine.statistics() or begun(server.taken) >= set(wanted)))
            assert notifier.intake.lost == 0
        assert list(dict.fromkeys(alert for alert, _ in told(server.posts))) == wanted
        first = [
            alert for alert, state in told([one for one in server.posts if one.attempt == 1]) if state in BEGINNINGS
        ]
        assert first == wanted, "what is sent again is marked"
    await engine.stop()


# -- as processes ---------------------------------------------------------------------------------------------------
class Machine:
    """An engine and a notify that can be started and killed."""

    def __init__(self, folder: Path, server: Receiver) -> None:
        self.folder = folder
        self.reached = {f: f"tcp://127.0.0.1:{reserved_port()}" for f in ("endpoint", "replay")}
        self.config = folder / "notify.yaml"
        wanted = {"engine": self.reached, "ledger": str(folder / "notify.db"), "metrics": None, "late_after": "200ms"}
        self.config.write_text(json.dumps({**wanted, "targets": hook(folder, server)}))
        self._log = (folder / "output.log").open("ab")

    async def engine(self) -> Process:
        asked = json.dumps({"folder": str(self.folder), **self.reached})
        return await self._started("-m", "support.notify.walker_engine", asked)

    async def notify(self) -> Process:
        return await self._started(str(REPOSITORY / "run_stream.py"), "notify", "--config", str(self.config))

    async def _started(self, *arguments: str) -> Process:
        path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
        environment = {**os.environ, "PYTHONPATH": path}
        return await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=environment, stdout=self._log, stderr=self._log
        )

    def runs(self) -> list[list[Alert]]:
        """Return the messages of each run, in order."""
        return list(kept_alerts(self.folder).values())

    def began(self, run: int) -> list[str]:
        """Return the alerts that began in the run of this number, in order."""
        runs = self.runs()
        return [one.alert for one in runs[run] if one.state == "began"] if run < len(runs) else []


async def killed(process: Process) -> None:
    process.kill()
    await process.wait()


async def test_alerts_of_two_runs_that_were_killed_while_notify_was_are_told_once_late_and_in_order(
    tmp_path: Path,
) -> None:
    async with receiver() as server:
        machine = Machine(tmp_path, server)
        notify = await machine.notify()
        engine = await machine.engine()
        await until(lambda: len(server.taken) >= 3)
        await killed(notify)
        read = len(machine.began(0))
        await until(lambda: len(machine.began(0)) >= read + 3)
        await killed(engine)
        engine = await machine.engine()
        await until(lambda: len(machine.began(1)) >= 3)
        await killed(engine)
        engine = await machine.engine()
        await until(lambda: len(machine.began(2)) >= 1)
        before = len(server.posts)
        already = {alert for alert, _ in told(server.posts)}
        ended = machine.began(0) + machine.began(1)
        notify = await machine.notify()

        def known(states: tuple[str, ...]) -> set[str]:
            return {alert for alert, state in told(server.taken) if state in states}

        await until(lambda: known(BEGINNINGS) >= {*ended, machine.began(2)[0]})
        await until(lambda: known(("cleared", "closed")) >= set(ended))
        await killed(notify)
        await killed(engine)
    unread = [alert for alert in ended if alert not in already]
    assert len(unread) >= 6
    first: dict[str, Post] = {}
    for post in server.posts:
        assert post.id not in first or post.attempt > 1, "a repetition is marked"
        first.setdefault(post.id, post)
    beginnings = [one for one in told(list(first.values())) if one[1] in BEGINNINGS]
    assert [alert for alert, _ in beginnings if alert in unread] == unread
    assert len(beginnings) == len(dict(beginnings)), "each alert begins once"
    late = [post.body["data"] for post in server.posts[before:]]
    assert all(one["late"] for one in late if one["alert"]["alert"] in unread and one["state"] in BEGINNINGS)
    assert {one["state"] for one in late if one["alert"]["alert"] in unread} <= {"late", "closed", "cleared"}
