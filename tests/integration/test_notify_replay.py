"""`partstream notify` and a replay server that does not answer for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.notify.notice import decode
from stream.notify.notifier import Notifier
from support.engines.silent_replay import Replay
from support.notify.alert_engine import AlertEngine, notifying, settings
from support.notify.webhook_receiver import hook
from support.waiting import until


def told(notifier: Notifier) -> set[str]:
    return {one.alert for one in notifier.ledger.find()}


async def test_alerts_of_earlier_runs_that_are_given_up_are_told_in_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay, engine = Replay(monkeypatch), AlertEngine(incidents=tmp_path)
    monkeypatch.setattr("stream.messaging.gap_filling.RESUMED_PATIENCE_S", 0.0)
    config = settings(engine, tmp_path, hook(tmp_path))
    await engine.start()
    async with notifying(config) as notifier:
        await until(lambda: bool(engine.statistics() or notifier.intake.view.listed))
        engine.begin()
        await until(lambda: bool(told(notifier)))
    engine.begin()
    await engine.stop()
    engine.crash()
    await engine.start()
    replay.away = True

    def notices(notifier: Notifier) -> list[str]:
        return [decode(one.plan).text for one in notifier.ledger.find() if one.kind == "notice"]

    async with notifying(config) as notifier:
        await until(lambda: bool(engine.statistics() or notices(notifier)))
        (text,) = notices(notifier)
        assert text.startswith("alerts of the engine may be missing")
    await engine.stop()


async def test_alerts_wait_for_a_replay_that_does_not_answer_also_over_restarts_of_notify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay, engine = Replay(monkeypatch), AlertEngine()
    config = settings(engine, tmp_path, hook(tmp_path))

    async def knows(notifier: Notifier, names: set[str]) -> None:
        await until(lambda: bool(engine.statistics() or told(notifier) == names))

    await engine.start()
    async with notifying(config) as notifier:
        await until(lambda: bool(engine.statistics() or notifier.intake.view.listed))
        first = engine.begin()
        await knows(notifier, {first})
    missed = {engine.begin() for _ in range(4)}
    replay.away = True
    for _ in range(2):  # the first one is ended meanwhile
        async with notifying(config) as notifier:
            await until(lambda asked=replay.asked: bool(engine.statistics() or replay.asked > asked + 2))
            assert told(notifier) == {first}
    async with notifying(config) as notifier:
        await until(lambda asked=replay.asked: bool(engine.statistics() or replay.asked > asked + 2))
        replay.away = False
        await knows(notifier, {first} | missed)
        after = engine.begin()
        await knows(notifier, {first, after} | missed)
        assert notifier.intake.lost == 0
    replay.away = True
    async with notifying(config) as notifier:
        await knows(notifier, {first, after} | missed)
        (read,) = [one for one in notifier.ledger.positions() if one.topic.startswith("alerts/")]
        assert read.next_seq == 6
    await engine.stop()
