"""Messages of the engine's earlier runs: what the replay server asks of a store that keeps them.

Only alerts are kept. The topic `ALERTS`, which is the prefix of theirs, asks which topics and runs there are.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from stream.results import Message

ALERTS = "alerts/v1/"
"""The prefix of the topics whose messages of earlier runs may be kept."""


class EarlierUnavailableError(Exception):
    """The store cannot be read at the moment. The argument says why."""


class Later(NamedTuple):
    """What follows an epoch of a run.

    `epochs`: later ones of the same topic and run of which messages are kept, ascending, perhaps only the first ones.
    If the topic is `ALERTS`, `topics` are those of which messages of the run are kept, and `run` is the next one of
    which messages are kept, empty if there is none.
    """

    epochs: list[int]
    topics: list[str]
    run: str


class Source(Protocol):
    """The messages of one topic, run and epoch. For one thread. Its methods may raise `EarlierUnavailableError`."""

    def oldest_seq(self) -> int:
        """Return the number of the oldest message held; if none is, of the next one to be published, as far as known.

        An epoch without messages has 0.
        """
        ...

    def read(self, from_seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Return (seq, body) of up to `limit` messages in order, from `from_seq` or the oldest held after it."""
        ...

    def later(self) -> Later:
        """Return what follows."""
        ...


class EarlierMessages(Protocol):
    """Finds messages of earlier runs."""

    def __call__(self, topic: str, run: str, epoch: int) -> Source | None:
        """Return the messages; None if the run is unknown, or the topic is none of alerts.

        Raises `EarlierUnavailableError`. Blocks.
        """
        ...


class MessageStore(Protocol):
    """Keeps messages for the next run of the engine."""

    @property
    def earlier(self) -> EarlierMessages:
        """What is kept."""
        ...

    def take(self, topic: str, message: Message) -> None:
        """Take a published message; never blocks."""
        ...

    def withheld(self, message: Message) -> None:
        """Take a message that the fleet did not permit: it may end what a published one began. Never blocks."""
        ...
