"""The lanes of a target: one for each camera, in which one message is under way at a time, in order.

A lane runs while messages wait in it. A message whose content cannot be written, so that there is nothing to send, is
tried again apart from its lane, which goes on. While the ledger cannot be written, nothing is sent, because a try that
is not recorded could be repeated without a mark.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from stream.notify.clock import now_us, steady_us
from stream.notify.ledger import Delivery, Ledger
from stream.notify.outbox import LONGEST_RETRY_S, Attempt, Failed, Outbox, Sent, retry_in_s

logger = logging.getLogger(__name__)

LEDGER_AGAIN_S = 5.0
"""Time until the next attempt to write the ledger."""
AT_ONCE = 16
"""Messages of a target that are under way at once, each in its lane."""
MOST_APART = 100
"""Messages of a target that are tried apart from their lanes; further ones are given up at once."""
MOST_TOLD, LONGEST_REASON = 5, 200
"""Errors that are listed for a target, and the characters of an exception in them."""


class Sender(Protocol):
    """A way to reach a target."""

    async def ready(self) -> None:
        """Wait until the target can be tried."""

    async def send(self, attempt: Attempt) -> Sent | Failed:
        """Send a message once."""
        ...


class Lanes:
    """The lanes of the target `name`.

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
        """Tries by outcome: sent, retried, given_up."""
        self._name = name
        self._ledger = ledger
        self._outbox = outbox
        self._sender = sender
        self._links = links
        self._ledger_failed = ledger_failed
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str | int, asyncio.Task[None]] = {}
        """By lane, and by the number of a message that is tried apart."""
        self._apart: dict[int, str] = {}
        """Messages that are tried apart from their lanes, and why nothing could be sent."""

    @property
    def errors(self) -> list[str]:
        """Why waiting messages cannot be sent."""
        errors = [f"{self._name}: {reason}" for reason in self._apart.values()]
        return errors if len(errors) <= MOST_TOLD else [*errors[:MOST_TOLD], f"{self._name}: and others"]

    def wake(self) -> None:
        """Start the lanes in which messages wait."""
        for lane in self._ledger.lanes(self._name):
            if lane not in self._tasks:
                self._start(lane, partial(self._head, lane))

    async def close(self) -> None:
        """Stop. What is under way may have arrived, and is sent again, with a mark, after the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, key: str | int, following: Callable[[], Delivery | None]) -> None:
        self._tasks[key] = asyncio.create_task(self._run(key, following), name=f"{self._name}: {key}")

    def _head(self, lane: str) -> Delivery | None:
        return self._ledger.head(self._name, lane, self._apart)

    async def _run(self, key: str | int, following: Callable[[], Delivery | None]) -> None:
        """Try the messages that `following` returns until there are no more."""
        unexpected, tried, made_us = 0, 0, 0
        try:
            while True:
                try:
                    waiting = following()
                    if waiting is None:
                        return
                    if waiting.seq != tried:  # from here on, its age is of the clock that is not set
                        made_us = steady_us() - max(0, now_us() - waiting.created_us)
                    wait_s = await self._try(waiting, made_us, waits=waiting.seq != tried)
                    unexpected, tried = 0, waiting.seq
                except sqlite3.Error as error:
                    self._ledger_failed(error)
                    wait_s = LEDGER_AGAIN_S
                except Exception:
                    unexpected += 1
                    wait_s = retry_in_s(unexpected, LEDGER_AGAIN_S, 0.0)
                    logger.exception("%s: sending failed unexpectedly; trying again", self._name)
                if wait_s:
                    await asyncio.sleep(wait_s)
        finally:
            del self._tasks[key]
            if isinstance(key, int):
                del self._apart[key]

    async def _send(self, attempt: Attempt) -> Sent | Failed:
        """Send a message. An unexpected error is a failure as any other: tried again, and given up in the end."""
        try:
            return await self._sender.send(attempt)
        except Exception as error:
            logger.exception("%s: sending message %s failed unexpectedly", self._name, attempt.delivery.id)
            return Failed(f"unexpected {type(error).__name__}")

    async def _begun(self, waiting: Delivery) -> Attempt | Failed | None:
        """Begin a try. Return a failure if the message cannot be written: others must not wait for it."""
        try:
            links = {} if waiting.body or not waiting.alert else await self._links(waiting.alert)
            return self._outbox.begin(waiting.seq, now_us(), links)
        except sqlite3.Error:
            raise
        except Exception as error:
            if waiting.seq not in self._apart:
                logger.exception("%s: message %s can't be written", self._name, waiting.id)
            last = waiting.seq not in self._apart and len(self._apart) >= MOST_APART
            return Failed(f"it can't be written ({type(error).__name__}: {str(error)[:LONGEST_REASON]})", final=last)

    async def _try(self, waiting: Delivery, made_us: int, *, waits: bool) -> float | None:
        """Send a message once. Return the seconds until the lane goes on.

        `made_us`: when it was made, of the clock that is not set; `waits`: wait until the time of the process before.
        """
        if waiting.due_us and waits:
            await asyncio.sleep(min(max(0.0, (waiting.due_us - now_us()) / 1e6), LONGEST_RETRY_S))
        await self._sender.ready()
        async with self._at_once:
            attempt = await self._begun(waiting)
            if attempt is None:
                return None
            result = attempt if isinstance(attempt, Failed) else await self._send(attempt)
        if isinstance(attempt, Failed):
            wait_s = self._outbox.fail(waiting, attempt, now_us(), steady_us() - made_us)
            if wait_s is not None and waiting.seq not in self._apart:
                self._apart[waiting.seq] = f"message {waiting.id}: {attempt.reason}"
                self._start(waiting.seq, partial(self._ledger.waits, waiting.seq))
                wait_s = 0.0
        else:
            wait_s = self._outbox.end(attempt, result, now_us(), steady_us() - made_us)
        if isinstance(result, Sent):
            self.outcomes["sent"] += 1
            return None
        self.outcomes["given_up" if wait_s is None else "retried"] += 1
        log = logger.error if wait_s is None else logger.info
        log("%s: message %s was not delivered (%s)", self._name, waiting.id, result.reason)
        return wait_s
