from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stream.notify.lanes import Lanes
from stream.notify.outbox import Attempt, Failed, Sent
from support.notify.fed_alerts import SECOND, alert
from support.notify.without_network import Notify, hook
from support.waiting import until


class Target:
    """A sender that is ready when the test says so."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.asked = 0
        self.sent: list[tuple[str, int]] = []

    async def ready(self) -> None:
        self.asked += 1
        await self.open.wait()

    async def send(self, attempt: Attempt) -> Sent | Failed:
        self.sent.append((attempt.delivery.id, attempt.number))
        return Sent()


async def no_links(name: str) -> dict[str, str]:
    return {}


async def test_what_a_flood_holds_back_while_the_target_is_away_is_not_sent(tmp_path: Path) -> None:
    notify = Notify(tmp_path, **hook(most_pending=10))
    target = Target()
    lanes = Lanes("hook", notify.ledger, notify.outbox, target, no_links, lambda error: pytest.fail(str(error)))
    notify.take(alert("0"))
    lanes.wake()
    await until(lambda: target.asked == 1)
    notify.take(*(alert(str(number), seq=number) for number in range(1, 15)))
    assert {one.id for one in notify.ledger.find(state="held")} == {f"{number}:began" for number in range(5)}
    target.open.set()
    await until(lambda: notify.ledger.count("hook", "pending") == 0)
    assert target.sent == [(f"{number}:began", 1) for number in range(5, 15)]
    assert notify.ledger.count("hook", "held") == 5
    await lanes.close()
    notify.ledger.close()


async def test_an_unexpected_error_of_a_target_is_a_failure_that_is_tried_again_and_given_up_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.notify.outbox.FIRST_RETRY_S", 0.001)
    monkeypatch.setattr("stream.notify.outbox.LONGEST_RETRY_S", 0.01)

    class Broken(Target):
        async def send(self, attempt: Attempt) -> Sent | Failed:
            self.sent.append((attempt.delivery.id, attempt.number))
            raise KeyError("https://receiver.example/secret")

    notify = Notify(tmp_path, **hook())
    target = Broken()
    target.open.set()
    lanes = Lanes("hook", notify.ledger, notify.outbox, target, no_links, lambda error: pytest.fail(str(error)))
    notify.take(alert("1"))
    now_us, steady_us = notify.now_us, 0
    monkeypatch.setattr("stream.notify.lanes.now_us", lambda: now_us)
    monkeypatch.setattr("stream.notify.lanes.steady_us", lambda: steady_us)
    lanes.wake()
    await until(lambda: len(target.sent) == 3)
    assert [number for _, number in target.sent] == [1, 2, 3], "each try is recorded"
    assert {one.error for one in notify.ledger.find()} == {"unexpected KeyError"}
    now_us += 90_000 * SECOND  # the clock is set forward: nothing is older
    tries = len(target.sent)
    await until(lambda: len(target.sent) > tries + 2)
    assert notify.ledger.count("hook", "pending") == 1
    steady_us += 90_000 * SECOND
    await until(lambda: notify.ledger.count("hook", "given_up") == 1)
    await lanes.close()
    notify.ledger.close()


async def test_a_message_that_cannot_be_written_is_told_and_given_up_and_others_of_its_camera_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.notify.outbox.FIRST_RETRY_S", 0.001)
    monkeypatch.setattr("stream.notify.outbox.LONGEST_RETRY_S", 0.01)
    notify = Notify(tmp_path, **hook())
    target = Target()
    target.open.set()
    lanes = Lanes("hook", notify.ledger, notify.outbox, target, no_links, lambda error: pytest.fail(str(error)))
    notify.take(*(alert(str(number), seq=number) for number in range(4)))
    plan = b"began_us"
    notify.ledger.db.execute("UPDATE deliveries SET plan = replace(plan, ?, ?) WHERE id = '1:began'", (plan, b"began"))
    now_us, steady_us = notify.now_us, 0
    monkeypatch.setattr("stream.notify.lanes.now_us", lambda: now_us)
    monkeypatch.setattr("stream.notify.lanes.steady_us", lambda: steady_us)
    lanes.wake()
    await until(lambda: [name for name, _ in target.sent] == ["0:began", "2:began", "3:began"])
    await until(lambda: notify.ledger.find()[1].attempts > 2)
    error = "it can't be written (ValidationError: Object missing required field `began_us` - at `$.alert`)"
    assert lanes.errors == [f"hook: message 1:began: {error}"]
    assert (notify.ledger.find()[1].state, notify.ledger.find()[1].error) == ("pending", error)
    notify.take(alert("4", seq=4))
    lanes.wake()
    await until(lambda: len(target.sent) == 4)
    steady_us += 90_000 * SECOND
    await until(lambda: notify.ledger.count("hook", "given_up") == 1)
    await until(lambda: not lanes.errors)
    assert lanes.outcomes["given_up"] == 1 and len(target.sent) == 4
    await lanes.close()
    notify.ledger.close()


async def test_of_many_messages_that_cannot_be_written_some_are_tried_again_and_the_rest_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.notify.lanes.MOST_APART", 2)
    notify = Notify(tmp_path, **hook())
    monkeypatch.setattr("stream.notify.lanes.now_us", lambda: notify.now_us)
    target = Target()
    target.open.set()

    async def broken(name: str) -> dict[str, str]:
        raise KeyError(name)

    lanes = Lanes("hook", notify.ledger, notify.outbox, target, broken, lambda error: pytest.fail(str(error)))
    notify.take(*(alert(str(number), seq=number) for number in range(4)))
    lanes.wake()
    await until(lambda: notify.ledger.count("hook", "given_up") == 2)
    assert notify.ledger.count("hook", "pending") == 2 and len(lanes.errors) == 2 and not target.sent
    await lanes.close()
    notify.ledger.close()


def test_a_repetition_that_has_become_late_is_not_sent_as_new_and_its_end_follows(tmp_path: Path) -> None:
    notify = Notify(tmp_path)
    notify.take(alert("1"))
    first = notify.begin()
    notify.outbox.end(first, Failed("no answer"), notify.now_us)
    notify.take(alert("1", "cleared", seq=1))
    notify.now_us += 61 * SECOND
    again, end = notify.send()
    assert (again.id, again.state, again.late) == ("1:began", "late", True)
    assert again.text.startswith("Late: door: fall since ")
    assert end.state == "cleared"
    assert notify.ledger.find()[0].attempts == 2
    notify.ledger.close()


def test_a_try_begins_with_what_the_ledger_has_now(tmp_path: Path) -> None:
    notify = Notify(tmp_path)
    notify.take(alert("1"))
    first, second = notify.begin(), notify.begin()
    assert (first.number, second.number, first.body) == (1, 2, second.body)
    notify.ledger.tried(first.delivery.seq, "held", notify.now_us, "flood")
    assert notify.outbox.begin(first.delivery.seq, notify.now_us) is None
    assert notify.ledger.find()[0].attempts == 2
    notify.ledger.close()
