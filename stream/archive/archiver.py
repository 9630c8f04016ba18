"""Archiver: reads a subscription and puts what comes into an archive, some minutes' worth at a time.

Owns the rows that aren't written yet, in bounded memory. While it writes, and while it can't write, it doesn't read:
messages then queue at the subscription and at the engine, and what these drop is a gap, filled by replay or counted.
Ends when it is cancelled, after writing what it has.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from stream.archive.archive import Archive, NoRoomError
from stream.archive.tables import MOST, Row, Table, UnusableError, batch, gap_row, rows_of
from stream.messaging.gaps import EPOCHS_FOLLOWED, TOPICS_FOLLOWED, Position
from stream.results import Event, Frame, Message, Stats, topic
from stream.subscriber import Counts, Gap, Subscription

logger = logging.getLogger(__name__)

ROWS_A_BATCH = 2000
"""Rows of a table that are held as objects; so many become columns, which need about a tenth of the memory."""
BYTES_A_ROW = 3000
"""What such a row has about: ten parts, of which three are kept, with their states."""
WRITE_AGAIN_S = 5.0
"""After writing failed."""
LAST_READ_S = 0.5
"""So long, when it is stopped, what was sent already is still read."""


class Positions:
    """How far each topic was read: what `archive.json` keeps. Bounded like what a subscription remembers."""

    def __init__(self, positions: Iterable[Position]) -> None:
        self._topics: OrderedDict[str, tuple[str, dict[int, int]]] = OrderedDict()
        for position in positions:
            self.reached(position.topic, position.run, position.epoch, position.next_seq)

    def reached(self, name: str, run: str, epoch: int, next_seq: int) -> None:
        """All of (topic, run, epoch) below `next_seq` is dealt with."""
        followed = self._topics.get(name)
        if followed is None or followed[0] != run:
            followed = self._topics[name] = (run, {})
        self._topics.move_to_end(name)
        epochs = followed[1]
        epochs[epoch] = max(epochs.get(epoch, 0), next_seq)
        if len(epochs) > EPOCHS_FOLLOWED:
            del epochs[min(epochs)]
        if len(self._topics) > TOPICS_FOLLOWED:
            self._topics.popitem(last=False)

    def all(self) -> list[Position]:
        """Every topic's, the least lately read first."""
        return [
            Position(name, run, epoch, next_seq)
            for name, (run, epochs) in self._topics.items()
            for epoch, next_seq in epochs.items()
        ]


@dataclass(slots=True)
class Held:
    """Rows that wait to be written."""

    rows: dict[Table, list[Row]] = field(default_factory=dict[Table, list[Row]])
    batches: dict[Table, list[pa.RecordBatch]] = field(default_factory=dict[Table, list[pa.RecordBatch]])
    messages: int = 0

    def add(self, table: Table, row: Row) -> None:
        rows = self.rows.setdefault(table, [])
        rows.append(row)
        if len(rows) >= ROWS_A_BATCH:
            self.settle(table)

    def settle(self, table: Table) -> None:
        """Make columns of the table's rows."""
        if rows := self.rows.pop(table, None):
            self.batches.setdefault(table, []).append(batch(table, rows))

    def all(self) -> dict[Table, list[pa.RecordBatch]]:
        """Everything, as columns."""
        for table in list(self.rows):
            self.settle(table)
        return self.batches

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        columns = sum(part.nbytes for parts in self.batches.values() for part in parts)
        return columns + BYTES_A_ROW * sum(len(rows) for rows in self.rows.values())

    def __bool__(self) -> bool:
        return self.messages > 0 or bool(self.rows) or bool(self.batches)


@dataclass(slots=True)
class ArchiverCounts:
    """What an archiver has done since it started."""

    messages: int = 0
    """Messages in the archive."""
    people: int = 0
    """Rows of people among them."""
    gaps: int = 0
    """Gaps noticed, filled or not."""
    lost: int = 0
    """Messages in them that replay couldn't give."""
    unusable: int = 0
    """Messages with numbers that no table can hold, left out."""
    failed_writes: int = 0
    """Times that the disk took nothing."""
    unwritten: int = 0
    """Messages that were read and, at the end, couldn't be written: a further run asks for them again."""


class Archiver:
    """Fills `archive`: every `every_s` seconds, or sooner when `most_held` bytes of rows wait."""

    def __init__(self, archive: Archive, *, every_s: float = 60.0, parts: int = 3, most_held: int = 64 << 20) -> None:
        self.counts = ArchiverCounts()
        self.trouble = ""
        """Why nothing can be written at present; empty when it can."""
        self._archive = archive
        self._every_s = every_s
        self._parts = parts
        self._most_held = most_held
        self._positions = Positions(archive.positions)
        self._held = Held()
        self._said_silent = False

    @property
    def waiting(self) -> int:
        """Messages that were read and aren't written yet."""
        return self._held.messages

    async def run(self, messages: Subscription[Message]) -> None:
        """Read until the subscription is closed or this is cancelled; either way all that was read is written.

        Where the last of it can't be written, `counts.unwritten` says how much.
        """
        try:
            async with messages:
                try:
                    while await self._read(messages, self._every_s if not self.trouble else WRITE_AGAIN_S):
                        self._say_if_silent(messages.counts)
                        await self._write_or_wait()
                except asyncio.CancelledError:
                    await self._read(messages, LAST_READ_S)
                    raise
        finally:
            if not await self._written():
                self.counts.unwritten = self.waiting

    def gap(self, gap: Gap) -> None:
        """A gap, after all was done to fill it: the subscription's `on_gap`."""
        self.counts.gaps += 1
        self.counts.lost += gap.missed - gap.replayed
        if max(gap.first_seq + gap.missed, gap.epoch) >= MOST:
            return  # the message after it is as wrong, and counted
        self._held.add("gaps", gap_row(gap, time.time_ns() // 1000))
        self._positions.reached(gap.topic, gap.run, gap.epoch, gap.first_seq + gap.missed)

    def add(self, message: Message) -> None:
        """A message, the next of its topic."""
        if isinstance(message, Stats):
            return
        try:
            for table, row in rows_of(message, self._parts):
                self._held.add(table, row)
                self.counts.people += table == "people"
            self._held.messages += 1
        except UnusableError as error:
            self.counts.unusable += 1
            if self.counts.unusable == 1:
                logger.warning("%s: a message is left out: %s; further ones are only counted", message.camera, error)
            if max(message.epoch, message.seq) >= MOST:
                return
        kind = "results" if isinstance(message, Frame) else "events" if isinstance(message, Event) else "status"
        self._positions.reached(topic(kind, message.camera), message.run, message.epoch, message.seq + 1)

    async def _read(self, messages: Subscription[Message], seconds: float) -> bool:
        """Read for so long, or until memory is full. False: there will be no more."""
        look = 0
        try:
            async with asyncio.timeout(seconds):
                async for message in messages:
                    self.add(message)
                    look += 1
                    if look % 100 == 0 and self._held.bytes >= self._most_held:
                        return True
                return False
        except TimeoutError:
            return True

    def _say_if_silent(self, counts: Counts) -> None:
        if not counts.received and not counts.duplicates and not self._said_silent:
            self._said_silent = True
            logger.warning("nothing has come yet: is the engine up, is the address right, and are these its cameras?")

    async def _write_or_wait(self) -> None:
        """Write. Where that fails, and no more may be held, wait until it succeeds."""
        while not await self._written():
            if self._held.bytes < self._most_held:
                return
            await asyncio.sleep(WRITE_AGAIN_S)

    async def _written(self) -> bool:
        """Write what is held, in a thread; whether that went well. Cancelling waits until it is done."""
        if not self._held:
            return True
        held = self._held.all()
        writing = asyncio.create_task(asyncio.to_thread(self._archive.write, held, self._positions.all()))
        cancelled = False
        while not writing.done():
            try:
                await asyncio.wait({writing})
            except asyncio.CancelledError:
                cancelled = True
        error = writing.exception()
        if error is None:
            self.counts.messages += self._held.messages
            self._held = Held()
            if self.trouble:
                self.trouble = ""
                logger.info("archive %s: written again", self._archive.folder)
        elif isinstance(error, OSError):
            self._failed(error)
        else:
            raise error
        if cancelled:
            raise asyncio.CancelledError
        return error is None

    def _failed(self, error: OSError) -> None:
        self.counts.failed_writes += 1
        if not self.trouble:
            logger.error(
                "archive %s can't be written: %s; %d messages wait in memory, further ones too while there is room, "
                "then in the engine, and what is lost there is counted as a gap",
                self._archive.folder,
                why_not(error),
                self.waiting,
            )
        self.trouble = why_not(error)


def why_not(error: OSError) -> str:
    """Why a file couldn't be written, in plain words, with what to do."""
    if isinstance(error, NoRoomError):
        return f"{error.strerror} (--least-free): make room, or keep less (--keep, --keep-days)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: make room, or keep less (--keep, --keep-days)"
    return error.strerror or str(error)
