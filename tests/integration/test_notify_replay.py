"""`partstream notify` and a replay server that does not answer for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.notify.notice import decode
from stream.notify.notifier import Notifier
from support.engines.silent_replay import Replay
from support.notify.alert_engine import AlertEngine, notifying, settings
from support.waiting import until


def told(notifier: Notifier) -> set[str]:
    return {one.alert for one in notifier.ledger.find()}


async def test_alerts_of_earlier_runs_that_are_given_up_are_told_in_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay, engine = Replay(monkeypatch), AlertEngine(incidents=tmp_path)
    monkeypatch.setattr("stream.messaging.gaps.POSTPONED_S", 0.0)
    secret = tmp_path / "secret"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret_files": [str(secret)]}
    config = settings(engine, tmp_path, {"hook": hook})
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


async def test_alerts_that_replay_could_not_give_are_requested_again_also_by_a_later_notify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay, engine = Replay(monkeypatch), AlertEngine()
    secret = tmp_path / "secret"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret_files": [str(secret)]}
    config = settings(engine, tmp_path, {"hook": hook})

    async def knows(notifier: Notifier, names: set[str]) -> None:
        await until(lambda: bool(engine.statistics() or told(notifier) == names))

    await engine.start()
    async with notifying(config) as notifier:
        await until(lambda: bool(engine.statistics() or notifier.intake.view.listed))
        first = engine.begin()
        await knows(notifier, {first})
    missed = {engine.begin() for _ in range(3)}
    last = engine.begin()
    replay.away = True
    async with notifying(config) as notifier:
        await knows(notifier, {first, last})
        await until(lambda: bool(engine.statistics() or replay.asked > 3))
    async with notifying(config) as notifier:  # it has not written that it has read past what is missing
        await until(lambda asked=replay.asked: bool(engine.statistics() or replay.asked > asked + 2))
        assert not missed & told(notifier) and notifier.intake.lost == 0
        replay.away = False
        await knows(notifier, {first, last} | missed)
        after = engine.begin()
        await knows(notifier, {first, last, after} | missed)
        assert notifier.intake.lost == 0
    replay.away = True
    async with notifying(config) as notifier:
        await knows(notifier, {first, last, after} | missed)
        (read,) = [one for one in notifier.ledger.positions() if one.topic.startswith("alerts/")]
        assert read.next_seq == 6
    await engine.stop()
