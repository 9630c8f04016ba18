"""`partstream notify` and the engine, both away: alerts of runs that ended unread are sent by the next notify."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from stream.messaging.replay_client import ReplayClient
from stream.notify.clock import now
from support.notify.alert_engine import AlertEngine, notifying, settings
from support.notify.webhook_receiver import Post, hook, receiver
from support.waiting import until

BEGINNINGS = ("began", "late", "closed")


def told(posts: list[Post]) -> list[tuple[str, str]]:
    return [(post.body["data"]["alert"]["alert"], post.body["data"]["state"]) for post in posts]


def begun(posts: list[Post]) -> set[str]:
    return {alert for alert, state in told(posts) if state in BEGINNINGS}


async def test_runs_that_ended_unread_are_told_also_of_cameras_without_an_alert_before_and_after(
    tmp_path: Path,
) -> None:
    engine = AlertEngine("door", "yard", "hall", incidents=tmp_path)
    await engine.start()
    async with receiver() as server:
        config = settings(engine, tmp_path, hook(tmp_path, server.url), late_after="0.001s")
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
        config = settings(engine, tmp_path, hook(tmp_path, server.url))
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
