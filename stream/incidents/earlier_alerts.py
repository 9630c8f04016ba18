"""The alerts of earlier runs, as the replay server reads them: each query opens the database for itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from stream.incidents import kept_messages
from stream.incidents.stored_incidents import StoreUnavailableError
from stream.messaging.replay import ALERTS, EarlierUnavailableError

Reading = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Opens the database for one query; raises `StoreUnavailableError`."""


class EarlierAlerts:
    """Finds messages of earlier runs in the database of incidents. `present` returns the present run, if known."""

    def __init__(self, reading: Reading, present: Callable[[], str]) -> None:
        self._reading = reading
        self._present = present

    def __call__(self, topic: str, run: str, epoch: int) -> EarlierEpoch | None:
        """Return the messages; None if the run is unknown, or the topic is none of alerts.

        Raises `EarlierUnavailableError`. Blocks.
        """
        if not topic.startswith(ALERTS):
            return None
        with _translated(self._reading) as database:
            number = kept_messages.run_number(database, run)
        return None if number is None else EarlierEpoch(self._reading, number, topic, epoch, self._present())


@dataclass(slots=True)
class EarlierEpoch:
    """The messages of one topic, run and epoch; of the topic `ALERTS`, all from this run on, except those of `present`.

    `number` is the run's.
    """

    reading: Reading
    number: int
    topic: str
    epoch: int
    present: str
    _oldest: int | None = None

    def oldest_seq(self) -> int:
        """Return the number of the oldest message kept, when first asked; 0 if none is.

        Raises `EarlierUnavailableError`.
        """
        if self._oldest is None:
            with _translated(self.reading) as database:
                self._oldest = kept_messages.oldest_seq(database, self.number, self.topic, self.epoch)
        return self._oldest

    def read(self, from_seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Return (seq, body) of up to `limit` messages in order. Raises `EarlierUnavailableError`."""
        with _translated(self.reading) as database:
            if self.topic == ALERTS:
                return kept_messages.read_runs(database, self.number, self.present, from_seq, limit)
            return kept_messages.read(database, self.number, self.topic, self.epoch, from_seq, limit)

    def later_epochs(self) -> list[int]:
        """Return later epochs of which messages are kept. Raises `EarlierUnavailableError`."""
        with _translated(self.reading) as database:
            return kept_messages.epochs_after(database, self.number, self.topic, self.epoch)


@contextmanager
def _translated(reading: Reading) -> Generator[sqlite3.Connection]:
    try:
        with reading() as database:
            yield database
    except StoreUnavailableError as error:
        raise EarlierUnavailableError(str(error)) from None
