from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stream.notify.clock import Now
from stream.notify.delivery import Attempt, Failed, Lanes, retry_in_s
from support.notify.fed_alerts import SECOND, alert
from support.notify.without_network import Notify, hook
from support.waiting import until


class Target:
    """A sender that is ready when the test says so, and raises `error` if there is one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.open = asyncio.Event()
        self.asked = 0
        self.sent: list[tuple[str, int]] = []
        self._error = error

    async def ready(self) -> None:
        self.asked += 1
        await self.open.wait()

    async def send(self, attempt: Attempt) -> Failed | None:
        self.sent.append((attempt.delivery.id, attempt.number))
        if self._error is not None:
            raise self._error
        return None

    async def close(self) -> None:
        pass


async def no_links(name: str) -> dict[str, str]:
    return {}


def lanes_of(notify: Notify, target: Target) -> Lanes:
    return Lanes("hook", notify.ledger, notify.outbox, target, no_links, lambda error: pytest.fail(str(error)))


async def test_what_a_flood_holds_back_while_the_target_is_away_is_not_sent(tmp_path: Path) -> None:
    notify, target = Notify(tmp_path, **hook(most_pending=10)), Target()
    lanes = lanes_of(notify, target)
    notify.take(alert("0"))
    lanes.wake()
    await until(lambda: target.asked == 1)
    notify.take(*(alert(str(number), seq=number) for number in range(1, 15)))
    target.open.set()
    await until(lambda: notify.ledger.count("hook", "pending") == 0)
    assert target.sent == [(f"{number}:began", 1) for number in range(5, 15)]
    assert {one.id for one in notify.ledger.find(state="held")} == {f"{number}:began" for number in range(5)}
    await lanes.close()
    notify.ledger.close()


async def test_an_unexpected_error_of_a_target_is_tried_again_until_the_message_is_too_old_whatever_the_clock_is_set_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.notify.delivery.FIRST_RETRY_S", 0.001)
    monkeypatch.setattr("stream.notify.delivery.LONGEST_RETRY_S", 0.01)
    notify, target = Notify(tmp_path, **hook()), Target(KeyError("https://receiver.example/secret"))
    target.open.set()
    lanes = lanes_of(notify, target)
    notify.take(alert("1"))
    at = notify.now
    monkeypatch.setattr("stream.notify.delivery.now", lambda: at)
    lanes.wake()
    await until(lambda: len(target.sent) >= 3)
    assert [number for _, number in target.sent[:3]] == [1, 2, 3], "each try is recorded"
    assert {one.error for one in notify.ledger.find()} == {"unexpected KeyError"}
    at = Now(at.us + 90_000 * SECOND, at.steady_us)
    tries = len(target.sent)
    await until(lambda: len(target.sent) > tries + 2)
    assert notify.ledger.count("hook", "pending") == 1
    at = Now(at.us, at.steady_us + 90_000 * SECOND)
    await until(lambda: notify.ledger.count("hook", "given_up") == 1)
    await lanes.close()
    notify.ledger.close()


def test_a_try_that_may_have_arrived_is_known_and_sends_the_same(tmp_path: Path) -> None:
    notify = Notify(tmp_path)
    notify.take(alert("1"))
    first = notify.begin()
    notify.tick(59)
    notify.restart()  # killed after the try
    second = notify.begin()
    assert (first.number, second.number) == (1, 2) and first.body == second.body
    notify.ledger.tried(second.delivery.seq, "held", notify.now_us, "flood")
    assert notify.outbox.begin(second.delivery.seq, notify.now_us) is None, "a try begins with what the ledger has now"
    notify.ledger.close()


def test_a_repetition_that_has_become_late_is_not_sent_as_new_and_its_end_follows(tmp_path: Path) -> None:
    notify = Notify(tmp_path)
    notify.take(alert("1"))
    notify.outbox.end(notify.begin(), Failed("no answer"), notify.now_us, 0)
    notify.take(alert("1", "cleared", seq=1))
    notify.now_us += 61 * SECOND
    again, end = notify.send()
    assert (again.id, again.state, again.late) == ("1:began", "late", True)
    assert again.text.startswith("Late: door: fall since ")
    assert end.state == "cleared"
    notify.ledger.close()


def test_retries_wait_longer_each_time_and_end_after_a_day_or_when_the_target_refuses(tmp_path: Path) -> None:
    assert [retry_in_s(number, 0, 0) for number in (1, 2, 3, 9, 50)] == [1, 2, 4, 256, 300]
    assert retry_in_s(1, 60, 0) == 60 and retry_in_s(1, 9999, 0) == 300 and retry_in_s(1, 0, -1) == 1
    notify = Notify(tmp_path)
    notify.take(alert("1"), alert("2", camera="yard"))
    for lane, seconds, result, outcome in [
        ("door", 0, Failed("answered 500"), "retried"),
        ("door", 86_400, Failed("answered 500"), "given_up"),
        ("yard", 0, Failed("answered 410", final=True), "given_up"),
    ]:
        assert notify.outbox.end(notify.begin(lane), result, notify.now_us, seconds * SECOND) == outcome
    assert [one.state for one in notify.ledger.find()] == ["given_up", "given_up"]
    notify.ledger.close()
