"""The tries of messages in the ledger: what is sent, and when it is tried again. A try is recorded first."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from stream.notify.ledger import Delivery, Ledger
from stream.notify.notice import PLAIN, Notice, decode, encode, with_late, with_text
from stream.notify.notify_config import NotifyConfig

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 300.0
SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class Sent:
    """The target has confirmed the message."""


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


def retry_in_s(attempts: int, retry_after_s: float, spread: float) -> float:
    """Return the time until the next try: 1, 2, 4 … 300 s, by `spread` (-1 … 1) up to a fifth more or less."""
    backoff = FIRST_RETRY_S * 2 ** min(attempts - 1, 16)
    return max(FIRST_RETRY_S, min(LONGEST_RETRY_S, max(backoff, retry_after_s)) * (1 + SPREAD * spread))


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
            if not delivery.body:
                body = self._frozen(delivery, now_us, dict(links or {}))
            elif delivery.kind not in PLAIN:
                body = self._late(delivery.body, now_us)
            else:
                body = delivery.body
            self._ledger.trying(delivery.seq, body)
        notice = None if delivery.kind in PLAIN else decode(body)
        return Attempt(delivery, body, notice, delivery.attempts + 1)

    def fail(self, waiting: Delivery, failed: Failed, now_us: int, age_us: int | None = None) -> float | None:
        """Record a try that failed before there was anything to send. Return as `end` does."""
        with self._ledger.transaction():
            delivery = self._ledger.waits(waiting.seq)
            if delivery is None:
                return None
            self._ledger.trying(delivery.seq, delivery.body)
        return self.end(Attempt(delivery, delivery.body, None, delivery.attempts + 1), failed, now_us, age_us)

    def end(self, attempt: Attempt, result: Sent | Failed, now_us: int, age_us: int | None = None) -> float | None:
        """Record how a try ended. Return the seconds until the next one, None if there is none.

        `age_us`: the message's age; None: by the time of day.
        """
        delivery = attempt.delivery
        age_us = now_us - delivery.created_us if age_us is None else age_us
        wait_s: float | None = None
        with self._ledger.transaction():
            if isinstance(result, Sent):
                self._ledger.tried(delivery.seq, "sent", now_us)
            elif result.final or age_us >= self._give_up_after(delivery.target):
                self._ledger.tried(delivery.seq, "given_up", now_us, result.reason)
            else:
                wait_s = retry_in_s(attempt.number, result.retry_after_s, random.uniform(-1, 1))
                self._ledger.tried(delivery.seq, "pending", now_us, result.reason, now_us + round(wait_s * 1e6))
        return wait_s

    def _give_up_after(self, target: str) -> int:
        return self._config.targets[target].give_up_after

    def _late(self, body: bytes, now_us: int) -> bytes:
        """Return what is sent again. The end is left to its own message: a receiver may ignore this repetition."""
        notice = decode(body)
        late = with_late(notice, now_us, self._config.late_after, ended=None, closed_by="")
        return body if late == notice else encode(with_text(replace(late, text=""), self._zone))

    def _frozen(self, delivery: Delivery, now_us: int, links: dict[str, str]) -> bytes:
        """Return what is sent. If the alert is late and over, its end is part of it, and is not sent again."""
        if delivery.kind in PLAIN:
            return delivery.plan
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
        return encode(with_text(replace(notice, links=links), self._zone))
