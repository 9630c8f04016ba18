"""The store of incidents: a database and picture files in one directory, within a budget.

The publishing thread only queues what a message changes; a writer thread writes it, several messages in one
transaction. The encoding thread of pictures writes their files. So a slow, full or missing disk delays neither the
engine nor its messages: what does not fit into the queue, or cannot be written, is counted and lost. The messages of
alerts are kept as well, for the engine's next runs to replay.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from ring_buffers.doorbell import Doorbell
from stream import file_lock
from stream.incidents import database, kept_messages, retention
from stream.incidents.database import FrameKey
from stream.incidents.earlier_alerts import EarlierAlerts
from stream.incidents.incident import Change, Incident, Kind, Verdict
from stream.incidents.picture_files import PictureFiles
from stream.incidents.retention import Retention
from stream.incidents.stored_incidents import StoredIncidents, StoreUnavailableError
from stream.recording.disk_condition import DiskCondition
from stream.recording.planning import wanted
from stream.results import Alert, ClipReady, Event, Frame, Message
from stream.settings.config_error import ConfigError
from stream.settings.recording import IncidentsConfig

logger = logging.getLogger(__name__)

LOCK = "incidents.lock"

MOST_WAITING = 2000
"""Changes that wait for the writer; events are already lost at half of it, so that they leave room for alerts."""
BATCH = 500
"""Changes in one transaction."""
TICK_S = 5.0
"""Interval at which a database that could not be opened, and a full disk, are tried again."""
LOOK_EVERY_S = 60.0
"""Interval at which old incidents are looked for; what is above the budget is deleted at once."""
DAY_US = 86_400_000_000


class IncidentStore(StoredIncidents):
    """The incidents of one engine, and those of earlier runs in the same directory. Thread-safe.

    `actions`: minimum scores of the actions that are kept, as in `ClipRules`. `clip_exists` returns whether there is a
    clip of this name.
    """

    def __init__(
        self,
        config: IncidentsConfig,
        directory: Path,
        actions: Mapping[str, float] | None,
        clip_exists: Callable[[str], bool] = lambda name: False,
    ) -> None:
        super().__init__(directory, PictureFiles(directory), clip_exists)
        self.budget = int(config.budget)
        self.bytes_kept = 0
        """Size of the kept pictures and their results."""
        self.began: Counter[Kind] = Counter()
        """Incidents that began since the start, by kind, including those that are lost."""
        self.pictures_lost = 0
        """Pictures that could not be written."""
        lost = "incidents or their pictures are lost"
        self.condition = DiskCondition("incidents", directory, int(config.least_free), "pictures", lost)
        self._keep_us = round(config.keep_days * DAY_US)
        self._actions = actions
        self._retention = Retention(self._files)
        self._database: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        """For writing to the database, and the bytes kept."""
        self._lock_file: int | None = None
        self.earlier = EarlierAlerts(self._reading, lambda: self._run)
        """The messages of alerts, also of this run."""
        self._run = ""
        self._model: bytes | None = None
        self._model_of: object = None
        self._refused: Counter[Kind] = Counter()
        self._unwritten: Counter[Kind] = Counter()
        self._writing = 0
        self._damage: tuple[int, sqlite3.Error] | None = None
        """The generation of a database that a reader found damaged, and the error, for the writer."""
        self._look_at = 0.0
        """When old incidents are looked for again, monotonic seconds."""
        self._waiting: deque[Change] = deque()
        self._bell = Doorbell()
        self._thread = threading.Thread(target=self._write, name="incidents", daemon=True)
        self._closed = False

    def start(self) -> None:
        """Open the store and start the writer. Blocks.

        Raises `ConfigError` if another engine uses the directory. If the store cannot be opened now, that is logged,
        and tried again.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._lock_file = file_lock.hold(self._directory / LOCK)
        except OSError as error:
            self._failed(error)
        else:
            if self._lock_file is None:
                self.close()
                holder = file_lock.holder_of(self._directory / LOCK)
                raise ConfigError(
                    f"incidents.directory: {self._directory} is in use by another engine ({holder}): set another "
                    "directory"
                )
        with self._lock:
            self._open()
        self._thread.start()

    def close(self, within_s: float = 1.0) -> None:
        """Write what waits, for at most `within_s` seconds, and close. May be called again."""
        self._closed = True
        self._bell.ring()
        if self._thread.ident is not None:
            self._thread.join(within_s)
            if self._thread.is_alive():
                logger.warning("the latest incidents are lost: writing them took too long")
                return
        with self._lock:  # pictures may still be written
            connection, self._database = self._database, None
        if connection is not None:
            connection.close()
        if self._lock_file is not None:
            os.close(self._lock_file)  # which ends the lock
            self._lock_file = None

    # -- the publishing thread ----------------------------------------------------------------------------------
    def wants(self, message: Alert | Event) -> bool:
        """Return whether this message begins something that is kept."""
        if isinstance(message, Alert):
            return message.state == "began"
        return message.kind != "ended" and wanted(self._actions, message.label, message.score)

    def take(self, topic: str, message: Message) -> None:
        """Take a published message; never blocks."""
        if isinstance(message, Frame):
            if message.model is not self._model_of:
                self._model, self._model_of = msgspec.json.encode(message.model), message.model
            return
        if message.run != self._run:
            self._run = message.run  # before it is queued: the writer resets it if it cannot be written
            if not self._queue(Change(None, [kept_messages.run_statement(message.run)])):
                self._run = ""
        if not isinstance(message, (Alert, Event, ClipReady)):
            return
        begins = not isinstance(message, ClipReady) and self.wants(message)
        statements = list(database.statements(message, begins, self._model))
        kind: Kind = "event"
        if isinstance(message, Alert):
            kind = "alert"
            statements += kept_messages.message_statements(topic, message)
        if statements:
            self._queue(Change(kind, statements))
        self.began[kind] += begins

    def _queue(self, change: Change) -> bool:
        """Queue a change. Return false if it is lost."""
        most = MOST_WAITING if change.kind == "alert" else MOST_WAITING // 2
        if len(self._waiting) >= most or self._closed:
            if change.kind is not None:
                self._refuse(change.kind)
            return False
        self._waiting.append(change)
        self._bell.ring()
        return True

    # -- the encoding thread of pictures ------------------------------------------------------------------------
    def keep(self, ids: Sequence[str], result: Frame, jpeg: bytes) -> None:
        """Keep the picture of a frame. Blocks; what cannot be written is counted and lost."""
        key = FrameKey(result.run, result.camera, result.epoch, result.frame)
        body, kept_us = msgspec.json.encode(result), time.time_ns() // 1000
        size = len(jpeg) + len(body)
        name: str | None = None
        try:
            self.condition.check_room()
            name = self._files.write(key, kept_us, jpeg)
            with self._lock:
                if self._database is None:
                    raise sqlite3.OperationalError("the database is not open")
                self._database.execute(database.PICTURE, (*key, name, size, kept_us, body))
                self.bytes_kept += size
        except (OSError, sqlite3.Error) as error:
            self.pictures_lost += 1
            with self._lock:
                self._failed(error)
            if name is not None:
                with suppress(OSError):  # it would not count towards the budget
                    self._files.delete(name)
        else:
            self.condition.works()
            self._bell.ring()

    # -- any thread ---------------------------------------------------------------------------------------------
    @property
    def waiting(self) -> int:
        """Changes of incidents that are not written yet."""
        return len(self._waiting) + self._writing

    @property
    def dropped(self) -> Counter[Kind]:
        """Changes of incidents that are lost, by kind: too many waited, or they could not be written."""
        return self._refused + self._unwritten

    def set_verdict(
        self, ids: Sequence[str], verdict: Verdict | None, truth: str | None, by: str, at_us: int
    ) -> list[Incident]:
        """Set or, with None, remove what a person said of these incidents. Return those that exist, after the change.

        Raises `StoreUnavailableError` if that cannot be written, and changes nothing then. Blocks.
        """
        said = (verdict, truth, by, at_us) if verdict is not None else (None,) * 4
        with self._lock:
            connection = self._open()
            if connection is None:
                raise StoreUnavailableError(self.condition.message or "the engine is stopping")
            try:
                with _transaction(connection):
                    connection.executemany(database.VERDICT, [(*said, name) for name in ids])
                    changed = [one for name in ids if (one := database.get(connection, name)) is not None]
            except sqlite3.Error as error:
                self._failed(error)
                raise StoreUnavailableError(str(error)) from None
        return [self._with_clip(one) for one in changed]

    def _found_damaged(self, generation: int, error: sqlite3.Error) -> None:
        self._damage = (generation, error)
        self._bell.ring()

    # -- the writer thread --------------------------------------------------------------------------------------
    def _write(self) -> None:
        while True:
            self._bell.wait(TICK_S)
            closing = self._closed  # read before the queue, so that nothing is left in it
            try:
                self._check()
                while self._waiting:
                    self._write_batch()
                if self._delete_if_due() and not closing:
                    self._bell.ring()
            except Exception:  # a bug; the engine does not depend on this thread
                logger.exception("internal error while incidents were written")
            if closing:
                return

    def _write_batch(self) -> None:
        self._writing = min(BATCH, len(self._waiting))
        batch = [self._waiting.popleft() for _ in range(self._writing)]
        try:
            self._write_changes(batch)
        finally:
            self._writing = 0

    def _write_changes(self, batch: Sequence[Change]) -> None:
        with self._lock:
            connection = self._open()
            try:
                if connection is None:
                    raise sqlite3.OperationalError("the database is not open")
                with _transaction(connection):
                    for sql, values in (statement for change in batch for statement in change.statements):
                        connection.execute(sql, values)
            except sqlite3.Error as error:
                self._failed(error)
                self._unwritten.update(change.kind for change in batch if change.kind is not None)
                self._run = ""  # it may not be known; the next message makes it known
                return
            if not self.condition.waits_for_room:  # with the lock: a picture may be refused at the same time
                self.condition.works()

    def _check(self) -> None:
        """Replace a database that a reader found damaged, and look whether the disk has room."""
        damage, self._damage = self._damage, None
        if damage is not None:
            generation, error = damage
            with self._lock:
                if generation == self._generation:  # a late reader still had the one before
                    self._failed(error)
        if self.condition.state == "ready" or self.condition.waits_for_room:
            self.condition.has_room()

    def _delete_if_due(self) -> bool:
        """Delete what is too old or too much. Return whether there may be more to delete."""
        due = time.monotonic() >= self._look_at
        if self.bytes_kept <= self.budget and not due:
            return False
        old, more = 0, False
        with self._lock:
            connection = self._open()
            if connection is None:
                return False
            try:
                with _transaction(connection):
                    freed = self._retention.free_bytes(connection, self.bytes_kept, self.budget)
                    if due:
                        before_us = time.time_ns() // 1000 - self._keep_us
                        old, more = self._retention.delete_old(connection, before_us)
            except (OSError, sqlite3.Error) as error:
                self._retention.look_again()
                self._failed(error)
                return False
            self.bytes_kept -= freed + old
        if due and not more:
            self._look_at = time.monotonic() + LOOK_EVERY_S
        return freed > 0 or more

    def _open(self) -> sqlite3.Connection | None:
        """Return the database, which is opened if it is not; None if that fails now or it is closed. Needs the lock."""
        if self._database is not None or self._closed:
            return self._database
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            try:
                return self._opened()
            except sqlite3.Error as error:
                if not self._put_aside(error):
                    raise
                return self._opened()
        except (OSError, sqlite3.Error) as error:
            self.condition.failed(error)
            return None

    def _opened(self) -> sqlite3.Connection:
        connection = database.open_for_writing(self._directory)
        try:
            self.bytes_kept = retention.adopt(connection, self._files)
            self._retention.look_again()
        except BaseException:
            connection.close()
            raise
        self._database = connection
        return connection

    def _put_aside(self, error: sqlite3.Error) -> bool:
        """Put the database aside, and return True, if this error says that it is damaged and a check confirms that.

        Raises OSError. Needs the lock.
        """
        if self._closed or not database.is_damaged(error):
            return False
        if self._database is not None:
            self._database.close()  # also if only what it has read is damaged
            self._database = None
        foreign = isinstance(error, database.ForeignDatabaseError)
        if not foreign and not database.confirm_damage(self._directory):
            return False
        aside = database.put_aside(self._directory)
        self._generation += 1
        self._run = ""  # the new one does not know it
        logger.error(
            "incidents: the database cannot be used (%s): it was renamed to %s, and a new one begins", error, aside.name
        )
        return True

    def _refuse(self, kind: Kind) -> None:
        if not self._refused.total():
            logger.warning("incidents: more begin than can be written; some are lost")
        self._refused[kind] += 1

    def _failed(self, error: OSError | sqlite3.Error) -> None:
        """Put a damaged database aside, and note any other error."""
        try:
            if isinstance(error, sqlite3.Error) and self._put_aside(error):
                return
        except OSError as again:
            error = again
        self.condition.failed(error)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def make_store(
    config: IncidentsConfig, recorded: Mapping[str, float] | None, clip_exists: Callable[[str], bool]
) -> IncidentStore | None:
    """Return the configured store; None without a directory. `recorded`: the actions of clips, with minimum scores."""
    if config.directory is None:
        return None
    actions = recorded if config.actions is None else config.actions
    return IncidentStore(config, config.directory, actions, clip_exists)
