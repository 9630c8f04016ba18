"""Notify without a network: what it reads is given, and what it would send is returned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stream.notify.clock import Now
from stream.notify.delivery import Attempt, Outbox
from stream.notify.intake import Intake, Received
from stream.notify.ledger import Ledger
from stream.notify.notice import Notice
from stream.results import Message
from support.notify.fed_alerts import NOW_US, SECOND, config


class Notify:
    """Intake and outbox without network; `targets` is the webhook `hook` unless the settings have others."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.path = folder / "notify.db"
        self.settings = config(self.path, **settings)
        self.now_us = NOW_US
        self.set_us = 0
        """By how much the time of day was set since the start."""
        self.open()

    @property
    def now(self) -> Now:
        return Now(self.now_us + self.set_us, self.now_us)

    @property
    def on(self) -> set[str]:
        """The alerts for which a sensor is on."""
        return {row.id for rows in self.intake.states.on(self.now).values() for row in rows}

    @property
    def opened(self) -> set[str]:
        """The open alerts."""
        return {row.id for row in self.intake.ledger.open_alerts()}

    def open(self) -> None:
        self.ledger = Ledger(self.path, NOW_US)
        self.ledger.db.execute("PRAGMA synchronous = OFF")  # here no power is cut, and tests are many
        self.now_us, self.set_us = self.now_us + self.set_us, 0
        self.intake = Intake(self.settings, self.ledger, self.now)
        self.outbox = Outbox(self.settings, self.ledger)

    def restart(self) -> None:
        self.ledger.close()
        self.open()

    def take(self, *messages: Message, replayed: bool = False, earlier: bool = False) -> None:
        """Take messages; `earlier`: by replay, of runs that are over and not read completely yet."""
        self.intake.take([Received(one, replayed or earlier, earlier) for one in messages], self.now)

    def tick(self, seconds: float = 0) -> None:
        self.now_us += round(seconds * SECOND)
        self.intake.tick(self.now)

    def begin(self, lane: str = "door", target: str = "hook") -> Attempt:
        """Begin a try of what waits in a lane."""
        waiting = self.ledger.head(target, lane)
        assert waiting is not None
        attempt = self.outbox.begin(waiting.seq, self.now.us)
        assert attempt is not None
        return attempt

    def send(self, target: str = "hook") -> list[Notice]:
        """Send what waits, and return it."""
        sent: list[Notice] = []
        for lane in self.ledger.lanes(target):
            while self.ledger.head(target, lane) is not None:
                attempt = self.begin(lane, target)
                self.outbox.end(attempt, None, self.now.us, 0)
                assert attempt.notice is not None
                sent.append(attempt.notice)
        return sent

    def states(self, target: str = "hook") -> list[tuple[str, str]]:
        return [(one.alert.alert if one.alert is not None else "", one.state) for one in self.send(target)]


def hook(**settings: Any) -> dict[str, Any]:
    """Return settings with one webhook."""
    return {"targets": {"hook": {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret_files": ["s"], **settings}}}
