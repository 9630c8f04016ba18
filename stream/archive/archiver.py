"""The archiver: reads a subscription and writes it into an archive, in batches of some minutes.

It holds the rows that are not written yet, in bounded memory. While it writes, merges small files, or cannot write, it
does not read: messages then queue in the subscription and the engine, and those that are dropped are a gap, filled by
replay or counted. Where it is not known how many messages are missing, the table of gaps says so. It ends when it is
cancelled, after writing what it holds.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field

import pyarrow as pa

from stream.archive.archive import Archive, DiskSpaceError
from stream.archive.tables import Row, Table, batch, gap_row, rows_of
from stream.messaging.gaps import EPOCHS_FOLLOWED, TOPICS_FOLLOWED, Position
from stream.results import CameraKind, Event, Frame, Message, Stats, topic
from stream.subscriber import Counts, Gap, Moved, Subscription

logger = logging.getLogger(__name__)

KINDS: tuple[CameraKind, ...] = ("results", "events", "status")
"""Kinds of messages that are archived."""
ROWS_PER_BATCH = 2000
"""Rows of a table held as objects, before they become columns, which need about a tenth of the memory."""
BYTES_PER_ROW = 2200
"""Approximate size of such a row without parts, with five actions."""
BYTES_PER_PART = 1350
"""Of each part with three states."""
ALL_PARTS = 10
"""Parts of a person in the packaged models."""
WRITE_AGAIN_S = 5.0
"""Time until the next attempt after a failed write."""
LAST_READ_S = 0.5
"""Time for which messages already sent are still read after a stop."""


class Positions:
    """The position of each topic, for `archive.json`. Bounded like the memory of a subscription."""

    def __init__(self, positions: Iterable[Position]) -> None:
        self._topics: OrderedDict[str, tuple[str, dict[int, int]]] = OrderedDict()
        self.run = ""
        """The engine's run that was read last."""
        for position in positions:
            self.began(position.run)
            self.reached(position.topic, position.run, position.epoch, position.next_seq)

    def began(self, run: str) -> list[Position]:
        """Record that messages of this run are read now. If another one has ended, return how far it was read."""
        ended, self.run = self.run, run
        if ended in ("", run):
            return []
        return self._ends(name for name, (of, _) in self._topics.items() if of == ended)

    def left(self, topics: Set[str]) -> list[Position]:
        """Forget these topics. Return how far they were read."""
        ends = self._ends(name for name in self._topics if name in topics)
        for end in ends:
            del self._topics[end.topic]
        return ends

    def _ends(self, topics: Iterable[str]) -> list[Position]:
        found = [(name, *self._topics[name]) for name in topics]
        return [Position(name, run, max(epochs), epochs[max(epochs)]) for name, run, epochs in found]

    def reached(self, name: str, run: str, epoch: int, next_seq: int) -> None:
        """Record that all of (topic, run, epoch) below `next_seq` has been read."""
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
        """Return all positions, the least recently read topic first."""
        return [
            Position(name, run, epoch, next_seq)
            for name, (run, epochs) in self._topics.items()
            for epoch, next_seq in epochs.items()
        ]


@dataclass(slots=True)
class Held:
    """Rows that are not written yet."""

    rows: dict[Table, list[Row]] = field(default_factory=dict[Table, list[Row]])
    batches: dict[Table, list[pa.RecordBatch]] = field(default_factory=dict[Table, list[pa.RecordBatch]])
    messages: int = 0
    parts: int = 3
    """Parts in a row."""

    def add(self, table: Table, row: Row) -> None:
        """Hold one more row."""
        rows = self.rows.setdefault(table, [])
        rows.append(row)
        if len(rows) >= ROWS_PER_BATCH:
            self.to_columns(table)

    def to_columns(self, table: Table) -> None:
        """Convert the table's rows into columns."""
        if rows := self.rows.pop(table, None):
            self.batches.setdefault(table, []).append(batch(table, rows))

    def all(self) -> dict[Table, list[pa.RecordBatch]]:
        """Return everything as columns."""
        for table in list(self.rows):
            self.to_columns(table)
        return self.batches

    @property
    def bytes(self) -> int:
        """Approximate memory in use."""
        columns = sum(part.nbytes for parts in self.batches.values() for part in parts)
        return columns + (BYTES_PER_ROW + BYTES_PER_PART * self.parts) * sum(len(rows) for rows in self.rows.values())

    def __bool__(self) -> bool:
        return self.messages > 0 or bool(self.rows) or bool(self.batches)


@dataclass(slots=True)
class ArchiverCounts:
    """Counts of an archiver since its start."""

    messages: int = 0
    """Messages written."""
    people: int = 0
    """Rows of people in them."""
    gaps: int = 0
    """Gaps, filled or not."""
    lost: int = 0
    """Messages in gaps that replay could not provide."""
    unknown: int = 0
    """Places at which it is not known how many messages are missing."""
    unusable: int = 0
    """Messages discarded because they are not valid, counted at the end."""
    failed_writes: int = 0
    """Failed writes."""
    unwritten: int = 0
    """Messages that were read but could not be written at the end; the next run requests them again."""


class Archiver:
    """Writes into `archive` every `every_s` seconds, or sooner when rows take `most_held` bytes.

    After each write it merges one group of small files.

    `parts`: the number kept of each person; None: all. `fleet`: a fleet is read, which has several runs at a time, and
    of which nothing is requested that was published before the start.
    """

    def __init__(
        self, archive: Archive, *, every_s: float = 60.0, parts: int | None = 3, most_held: int = 64 << 20, fleet: bool
    ) -> None:
        self.counts = ArchiverCounts()
        self.write_error = ""
        """Why writing fails at present; empty if it works."""
        self._archive = archive
        self._every_s = every_s
        self._parts = parts
        self._most_held = most_held
        self._fleet = fleet
        self._positions = Positions(archive.positions)
        self._held = self._nothing()
        self._warned_silent = False
        if fleet:
            self._end(self._positions.left({position.topic for position in archive.positions}))

    def _nothing(self) -> Held:
        return Held(parts=ALL_PARTS if self._parts is None else min(self._parts, ALL_PARTS))

    @property
    def waiting(self) -> int:
        """Messages that are read but not written yet."""
        return self._held.messages

    async def run(self, messages: Subscription[Message]) -> None:
        """Read until the subscription is closed or this is cancelled, then write the rest.

        `counts.unwritten` is the number of messages that could not be written at the end.
        """
        try:
            async with messages:
                try:
                    while await self._read(messages, self._every_s if not self.write_error else WRITE_AGAIN_S):
                        self._warn_if_silent(messages.counts)
                        await self._write_or_wait()
                        if not self.write_error:
                            await self._merge()
                except asyncio.CancelledError:
                    await self._read(messages, LAST_READ_S)
                    raise
        finally:
            self.counts.unusable = messages.counts.undecodable
            if not await self._write():
                self.counts.unwritten = self.waiting

    def gap(self, gap: Gap) -> None:
        """Record a gap after the attempt to fill it; the subscription's `on_gap`."""
        self.counts.gaps += 1
        self.counts.lost += gap.missed - gap.replayed
        self.counts.unknown += gap.more
        self._in_run(gap.run)
        self._hold(gap)
        self._positions.reached(gap.topic, gap.run, gap.epoch, gap.first_seq + gap.missed)

    def _hold(self, gap: Gap) -> None:
        self._held.add("gaps", gap_row(gap, time.time_ns() // 1000))

    def _in_run(self, run: str) -> None:
        """If another run of the engine has ended, record that the number of its last messages is unknown."""
        ends = self._positions.began(run) if run != self._positions.run and not self._fleet else []
        if ends:
            logger.info("the engine was restarted; it is not known how many messages its last run sent at the end")
            self._end(ends)

    def moved(self, moved: Moved) -> None:
        """Record that messages of a camera may be missing at the end of its old placement; a fleet's `on_moved`."""
        self._end(self._positions.left({topic(kind, moved.camera) for kind in KINDS}))

    def _end(self, ends: Iterable[Position]) -> None:
        for end in ends:
            self.counts.unknown += 1
            self._hold(Gap(end.topic, end.run, end.epoch, end.next_seq, 0, 0, more=True))

    def add(self, message: Message) -> None:
        """Add the next message of its topic."""
        if isinstance(message, Stats):
            return
        self._in_run(message.run)
        for table, row in rows_of(message, self._parts):
            self._held.add(table, row)
            self.counts.people += table == "people"
        self._held.messages += 1
        kind = "results" if isinstance(message, Frame) else "events" if isinstance(message, Event) else "status"
        self._positions.reached(topic(kind, message.camera), message.run, message.epoch, message.seq + 1)

    async def _read(self, messages: Subscription[Message], seconds: float) -> bool:
        """Read for `seconds`, or until memory is full. Return false if the subscription has ended."""
        count = 0
        try:
            async with asyncio.timeout(seconds):
                async for message in messages:
                    self.add(message)
                    count += 1
                    if count % 100 == 0 and self._held.bytes >= self._most_held:
                        return True
                return False
        except TimeoutError:
            return True

    def _warn_if_silent(self, counts: Counts) -> None:
        if not counts.received and not counts.duplicates and not self._warned_silent:
            self._warned_silent = True
            logger.warning("no message received yet: check that the engine runs, its address, and the cameras' ids")

    async def _write_or_wait(self) -> None:
        """Write. If that fails while memory is full, retry until it succeeds."""
        while not await self._write():
            if self._held.bytes < self._most_held:
                return
            await asyncio.sleep(WRITE_AGAIN_S)

    async def _write(self) -> bool:
        """Write the held rows in a thread. Return whether it succeeded. Cancelling waits until it is done."""
        if not self._held:
            return True
        held, positions = self._held.all(), self._positions.all()
        error, cancelled = await _in_thread(lambda: self._archive.write(held, positions))
        if error is None:
            self.counts.messages += self._held.messages
            self._held = self._nothing()
            if self.write_error:
                self.write_error = ""
                logger.info("archive %s: writing works again", self._archive.folder)
        elif isinstance(error, OSError):
            self._failed(error)
        else:
            raise error
        if cancelled:
            raise asyncio.CancelledError
        return error is None

    async def _merge(self) -> None:
        """Merge one group of small files in a thread. Cancelling waits until it is done."""
        error, cancelled = await _in_thread(self._archive.merge)
        if error is not None:
            raise error
        if cancelled:
            raise asyncio.CancelledError

    def _failed(self, error: OSError) -> None:
        self.counts.failed_writes += 1
        if not self.write_error:
            logger.error(
                "archive %s can't be written: %s; %d messages wait in memory, later ones too while there is room, then "
                "in the engine; messages that it drops are counted as a gap",
                self._archive.folder,
                reason_of(error),
                self.waiting,
            )
        self.write_error = reason_of(error)


async def _in_thread(function: Callable[[], object]) -> tuple[BaseException | None, bool]:
    """Call a function in a thread. Return its error, and whether this was cancelled meanwhile."""
    running = asyncio.create_task(asyncio.to_thread(function))
    cancelled = False
    while not running.done():
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            cancelled = True
    return running.exception(), cancelled


def reason_of(error: OSError) -> str:
    """Return why a file could not be written, and what to do."""
    if isinstance(error, DiskSpaceError):
        return f"{error.strerror} (--least-free): make room, or keep less (--keep, --keep-days)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: make room, or keep less (--keep, --keep-days)"
    return error.strerror or str(error)
