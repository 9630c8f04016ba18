"""The delivery of messages: their tries, and the lanes of a target in which they are made.

A lane is the messages of one camera to one target: one is under way at a time, in order. A try is recorded in the
ledger before it is made. While the ledger cannot be written, nothing is sent, because a try that is not recorded could
be repeated without a mark. Lanes live as long as notify; what is under way when it ends is sent again, with a mark.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from stream.notify.clock import now
from stream.notify.ledger import Delivery, Ledger
from stream.notify.notice import PLAIN, Notice, decode, encode, with_late, with_text
from stream.notify.notify_config import NotifyConfig

logger = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 300.0
LEDGER_AGAIN_S = 5.0
"""Time until the next attempt to write the ledger."""
AT_ONCE = 16
"""Messages of a target that are under way at once, each in its lane."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The message may not have arrived. `final`: it is not tried again. `retry_after_s`: the target's wish."""

    reason: str
    retry_after_s: float = 0.0
    final: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try that is recorded. `notice` is None for a kind of `PLAIN`. After number 1, it may have arrived."""

    delivery: Delivery
    body: bytes
    notice: Notice | None
    number: int


class Sender(Protocol):
    """A way to reach a target."""

    async def ready(self) -> None:
        """Wait until the target can be tried."""

    async def send(self, attempt: Attempt) -> Failed | None:
        """Send a message once. Return None when the target has confirmed it."""
        ...

    async def close(self) -> None:
        """Close the connections."""


def retry_in_s(attempts: int, retry_after_s: float, spread: float) -> float:
    """Return the time until the next try: 1, 2, 4 … 300 s, by `spread` (-1 … 1) up to a fifth more or less."""
    backoff = FIRST_RETRY_S * 2 ** min(attempts - 1, 16)
    return max(FIRST_RETRY_S, min(LONGEST_RETRY_S, max(backoff, retry_after_s)) * (1 + 0.2 * spread))


class Outbox:
    """Begins and ends tries. Its methods raise `sqlite3.Error` if the disk fails: then nothing may be sent."""

    def __init__(self, config: NotifyConfig, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._zone = ZoneInfo(config.time_zone)

    def begin(self, seq: int, now_us: int, links: Mapping[str, str] | None = None) -> Attempt | None:
        """Record a try, and return what to send; None if the message was held back since the lane found it.

        The first try decides what is sent; later ones send the same, except that what has become late says so.
        """
        with self._ledger.transaction():
            delivery = self._ledger.waits(seq)
            if delivery is None:
                return None
            body = delivery.body or delivery.plan
            if delivery.kind not in PLAIN:
                notice = (
                    self._late(decode(body), now_us) if delivery.body else self._first(delivery, now_us, links or {})
                )
                body = encode(notice)
            self._ledger.trying(seq, body)
        return Attempt(delivery, body, None if delivery.kind in PLAIN else decode(body), delivery.attempts + 1)

    def end(self, attempt: Attempt, result: Failed | None, now_us: int, age_us: int) -> str:
        """Record how a try ended, of a message of this age. Return the outcome: sent, retried, given_up."""
        delivery = attempt.delivery
        if result is None:
            self._ledger.tried(delivery.seq, "sent", now_us)
            return "sent"
        if result.final or age_us >= self._config.targets[delivery.target].give_up_after:
            self._ledger.tried(delivery.seq, "given_up", now_us, result.reason)
            return "given_up"
        wait_s = retry_in_s(attempt.number, result.retry_after_s, random.uniform(-1, 1))
        self._ledger.tried(delivery.seq, "pending", now_us, result.reason, now_us + round(wait_s * 1e6))
        return "retried"

    def _late(self, notice: Notice, now_us: int) -> Notice:
        """Return what is sent again. The end is left to its own message: a receiver may ignore this repetition."""
        late = with_late(notice, now_us, self._config.late_after, ended=None, closed_by="")
        return notice if late == notice else with_text(replace(late, text=""), self._zone)

    def _first(self, delivery: Delivery, now_us: int, links: Mapping[str, str]) -> Notice:
        """Return what is sent. If the alert is late and over, its end is part of it, and is not sent again."""
        notice = decode(delivery.plan)
        ended: Notice | None = None
        if delivery.kind == "began" and notice.alert is not None:
            late = now_us - notice.alert.began_us > self._config.late_after
            waiting = self._ledger.of_alert(delivery.alert, delivery.target) if late else []
            waiting = [one for one in waiting if one.seq > delivery.seq and one.state == "pending" and not one.attempts]
            ended = next((decode(one.plan) for one in waiting if one.kind == "cleared"), None)
            for one in waiting if ended is not None else ():
                self._ledger.tried(one.seq, "held", now_us, f"part of {delivery.id}")
        last, closed_by = (ended.alert, ended.closed_by) if ended is not None else (None, "")
        notice = with_late(notice, now_us, self._config.late_after, ended=last, closed_by=closed_by)
        return with_text(replace(notice, links=dict(links)), self._zone)


class Lanes:
    """The lanes of the target `name`. One runs while messages wait in it.

    `links` returns the addresses of an alert; `ledger_failed` gets each error of the ledger.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        outbox: Outbox,
        sender: Sender,
        links: Callable[[str], Awaitable[dict[str, str]]],
        ledger_failed: Callable[[sqlite3.Error], None],
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        """Tries by outcome."""
        self._name = name
        self._ledger = ledger
        self._outbox = outbox
        self._sender = sender
        self._links = links
        self._ledger_failed = ledger_failed
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Start the lanes in which messages wait."""
        for lane in self._ledger.lanes(self._name):
            if lane not in self._tasks:
                self._tasks[lane] = asyncio.create_task(self._run(lane), name=f"{self._name}: {lane}")

    async def close(self) -> None:
        """Stop. What is under way may have arrived, and is sent again, with a mark, after the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, lane: str) -> None:
        """Try the lane's messages in their order until there are no more."""
        seq = made_us = 0
        try:
            while True:
                try:
                    waiting = self._ledger.head(self._name, lane)
                    if waiting is None:
                        return
                    at = now()
                    if waiting.seq != seq:  # from here on, its age is of the clock that is not set
                        seq, made_us = waiting.seq, at.steady_us - max(0, at.us - waiting.created_us)
                    await asyncio.sleep(min(max(0.0, (waiting.due_us - at.us) / 1e6), LONGEST_RETRY_S))
                    await self._sender.ready()
                    async with self._at_once:
                        await self._try(waiting, made_us)
                except sqlite3.Error as error:
                    self._ledger_failed(error)
                    await asyncio.sleep(LEDGER_AGAIN_S)
        finally:
            del self._tasks[lane]

    async def _try(self, waiting: Delivery, made_us: int) -> None:
        """Send a message once, if it still waits."""
        links = {} if waiting.body or not waiting.alert else await self._links(waiting.alert)
        attempt = self._outbox.begin(waiting.seq, now().us, links)
        if attempt is None:
            return
        try:
            result = await self._sender.send(attempt)
        except Exception as error:
            logger.exception("%s: sending message %s failed unexpectedly", self._name, waiting.id)
            result = Failed(f"unexpected {type(error).__name__}")
        at = now()
        outcome = self._outbox.end(attempt, result, at.us, at.steady_us - made_us)
        self.outcomes[outcome] += 1
        if result is not None:
            log = logger.error if outcome == "given_up" else logger.info
            log("%s: message %s was not delivered (%s)", self._name, waiting.id, result.reason)
